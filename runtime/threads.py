"""Work on all CPUs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

#: CPUs that this process may run on; read when it starts, since serving threads may be pinned.
CPUS = len(os.sched_getaffinity(0))

T = TypeVar("T")
R = TypeVar("R")


def each(step: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Take a step with each item, on threads: TVM, LLVM and NumPy work without Python's lock.

    Raises what the first step that fails raises.
    """
    with ThreadPoolExecutor(CPUS) as pool:
        return list(pool.map(step, items))
