"""Processes for tests to kill or to change, forked where no other thread can hold a lock.

The process of the tests has servers, browsers and pools running in threads: a fork of it may be
born with a lock held that nobody will ever release.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

_CONTEXT = get_context("forkserver")
# Imported once, before the forks: a child takes milliseconds to start, and may give up the right to
# read the code.
_CONTEXT.set_forkserver_preload(["tests.preloaded"])


def start(body: Callable[..., object], *args: object) -> BaseProcess:
    """Run `body` in a process of its own; both it and `args` must be picklable."""
    child = _CONTEXT.Process(target=body, args=args, daemon=True)
    child.start()
    return child


def run(body: Callable[..., object], *args: object) -> None:
    """Run `body` in a process of its own to its end, which must be a good one."""
    child = start(body, *args)
    child.join()
    assert child.exitcode == 0
