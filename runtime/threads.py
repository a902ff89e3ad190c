"""Work on all CPUs, and what only one thread may do at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

#: CPUs that this process may run on; read when it starts, since serving threads may be pinned.
CPUS = len(os.sched_getaffinity(0))

#: Held while TVM builds graphs or kernels from Python: it keeps scopes of what it builds, such as
#: the tag of the present operator, in globals. Scheduling, lowering and LLVM do not need it.
BUILDING = threading.Lock()

T = TypeVar("T")
R = TypeVar("R")


def each(step: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Take a step with each item, on threads: TVM, LLVM and NumPy work without Python's lock.

    Raises what the first step that fails raises.
    """
    with ThreadPoolExecutor(CPUS) as pool:
        return list(pool.map(step, items))
