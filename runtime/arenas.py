"""One arena of activations per thread, shared by all models and batch sizes on that thread."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

import tvm

from tuner.arena import Arena


@dataclass(slots=True, eq=False, weakref_slot=True)
class _Shelf:
    """Where a thread keeps its arena between calls: empty while a call works in it."""

    arenas: list[tuple[tvm.runtime.Tensor, int]]


class ThreadArenas:
    """Arenas by thread.

    A call takes its thread's arena and puts it back, so that a thread that releases memory never
    takes it from under a call that runs. Taking and putting are single steps of a list, which
    need no lock.
    """

    def __init__(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self._shelves: weakref.WeakSet[_Shelf] = weakref.WeakSet()
        self._largest = 0

    def expect(self, nbytes: int) -> None:
        """Make new arenas large enough for calls that need `nbytes`."""
        with self._lock:
            self._largest = max(self._largest, nbytes)

    def take(self, nbytes: int) -> tuple[tvm.runtime.Tensor, int]:
        """This thread's arena, of at least `nbytes`; `put` it back."""
        try:
            arena: tuple[tvm.runtime.Tensor, int] = self._local.shelf.arenas.pop()
            if arena[1] >= nbytes:
                return arena
        except (AttributeError, IndexError):
            pass
        size = max(nbytes, self._largest)
        return Arena([((size,), "uint8")]).empty((size,), "uint8"), size

    def put(self, arena: tuple[tvm.runtime.Tensor, int]) -> None:
        """Give back what `take` gave."""
        try:
            shelf = self._local.shelf
        except AttributeError:
            shelf = self._local.shelf = _Shelf([])
            with self._lock:
                self._shelves.add(shelf)
        if not shelf.arenas:
            shelf.arenas.append(arena)

    def release(self) -> int:
        """Give the memory of arenas that no call works in back to the system.

        Returns
        -------
        Their size in bytes.
        """
        with self._lock:
            shelves = list(self._shelves)
        freed = 0
        for shelf in shelves:
            try:
                freed += shelf.arenas.pop()[1]
            except IndexError:
                continue
        return freed

    @property
    def held_bytes(self) -> int:
        """Size of the arenas that no call works in."""
        with self._lock:
            shelves = list(self._shelves)
        return sum(size for shelf in shelves for _, size in tuple(shelf.arenas))


#: Of this process.
ARENAS = ThreadArenas()
