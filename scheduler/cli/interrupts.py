"""Ending early, in order: Ctrl-C, a closed terminal, the system's wish."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from scheduler.cli.errors import Stopped

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt(KeyboardInterrupt):
    """A signal that asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextlib.contextmanager
def stoppable(how_to_go_on: str) -> Iterator[None]:
    """Let every signal that asks for an end stop the workers first, then say how to go on."""
    restore = dict[signal.Signals, object]()
    if threading.current_thread() is threading.main_thread():
        restore = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        yield
    except KeyboardInterrupt as error:
        exit_code = error.exit_code if isinstance(error, Interrupt) else 130
        raise Stopped(f"stopped; {how_to_go_on}", exit_code) from None
    finally:
        for number, handler in restore.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


def rearm() -> None:
    """Take the signals back from a library that claimed them."""
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupt(number)
