"""What one host has once, for processes that each have a temporary folder of their own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Let one process of this host at a time do something that has a name."""
    path = Path(f"/tmp/tunefleet-{os.geteuid()}-{what}.lock")
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
