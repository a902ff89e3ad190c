"""Memory for tensors on huge pages.

Weights of one layer fill most of an L2 cache, and tables are read at random: on 4 KiB pages the
first suffer from pages that fall on the same cache sets, the second from misses of the TLB. Where
the kernel grants no huge pages, the same memory works as it is.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from math import prod

import numpy as np
import tvm

#: Size of a huge page on x86-64, in bytes.
HUGE_PAGE = 2 << 20
#: Kernels read whole registers; every tensor starts on one, and on a cache line.
ALIGNMENT = 64

Spec = tuple[tuple[int, ...], str]


class Arena:
    """Room for a fixed set of tensors; freed when the last of them is gone.

    Parameters
    ----------
    specs
        Shape and dtype (numpy's names) of every tensor that `empty` will be asked for.
    """

    def __init__(self, specs: Iterable[Spec]) -> None:
        size = sum(_size(shape, dtype) for shape, dtype in specs)
        # Untouched pages cost nothing, so the slack for aligning is free. Private, because shared
        # memory is of small pages on most systems, whatever it is advised.
        room = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        room.madvise(mmap.MADV_HUGEPAGE)
        everything = np.frombuffer(room, np.uint8)
        start = -everything.ctypes.data % HUGE_PAGE
        self._bytes = everything[start : start + size]
        self._used = 0

    def empty(self, shape: tuple[int, ...], dtype: str) -> tvm.runtime.Tensor:
        """The next tensor, zeroed."""
        size = _size(shape, dtype)
        part = self._bytes[self._used : self._used + size]
        self._used += size
        count = prod(shape)
        view = part.view(np.dtype(dtype))[:count].reshape(shape)
        return tvm.runtime.from_dlpack(view)


def _size(shape: tuple[int, ...], dtype: str) -> int:
    nbytes = max(1, prod(shape)) * np.dtype(dtype).itemsize
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
