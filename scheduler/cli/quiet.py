"""Keeps what libraries print about themselves away from the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def quiet(log: Path | None = None) -> Iterator[None]:
    """Send standard error to a file, or nowhere, that of C++ code and child processes included.

    Standard output stays, so what a command itself has to say goes there; errors are printed when
    this has ended. ``TUNEFLEET_DEBUG=1`` leaves everything as it is.
    """
    if os.environ.get("TUNEFLEET_DEBUG"):
        yield
        return
    target = os.open(
        log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
    )
    python_stderr = sys.stderr
    python_stderr.flush()
    terminal = os.dup(2)
    os.dup2(target, 2)
    os.close(target)
    try:
        with open(2, "w", buffering=1, errors="replace", closefd=False) as sys.stderr:
            yield
    finally:
        sys.stderr = python_stderr
        os.dup2(terminal, 2)
        os.close(terminal)
