"""One arena of activations per thread, shared by all models and batch sizes on that thread."""

from __future__ import annotations

import threading
import weakref

import numpy as np
import tvm

from tuner.arena import Arena

#: Memory, and its size in bytes.
SizedArena = tuple[tvm.runtime.Tensor, int]

#: What an arena starts with that was not used for a while; no verdict of a call looks like it.
_UNUSED = np.frombuffer(b"idle", np.uint8)


class _Shelf(list[SizedArena]):
    """Where a thread keeps its arena between calls: empty while a call works in it."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other


class _Local(threading.local):
    """This thread's shelf; absent before the first call."""

    shelf: _Shelf


class ThreadArenas:
    """Arenas by thread.

    A call takes its thread's arena and puts it back, so that a thread that releases memory never
    takes it from under a call that runs. Taking and putting are single steps of a list, which
    need no lock.
    """

    def __init__(self) -> None:
        self.local = _Local()
        self._lock = threading.Lock()
        self._shelves: weakref.WeakSet[_Shelf] = weakref.WeakSet()
        self._largest = 0

    def expect(self, nbytes: int) -> None:
        """Make new arenas large enough for calls that need `nbytes`."""
        with self._lock:
            self._largest = max(self._largest, nbytes)

    def take(self, nbytes: int) -> SizedArena:
        """This thread's arena, of at least `nbytes`; `put` it back."""
        try:
            arena = self.local.shelf.pop()
            if arena[1] >= nbytes:
                return arena
        except (AttributeError, IndexError):
            pass
        size = max(nbytes, self._largest)
        return Arena([((size,), "uint8")]).empty((size,), "uint8"), size

    def put(self, arena: SizedArena) -> None:
        """Give back what `take` gave."""
        try:
            shelf = self.local.shelf
        except AttributeError:
            shelf = self.local.shelf = _Shelf()
            with self._lock:
                self._shelves.add(shelf)
        if not shelf:
            shelf.append(arena)

    def release(self, *, idle: bool = False) -> int:
        """Give the memory of arenas that no call works in back to the system.

        Parameters
        ----------
        idle
            Keep those that a call has used since this was last asked.

        Returns
        -------
        Their size in bytes.
        """
        with self._lock:
            shelves = list(self._shelves)
        freed = 0
        for shelf in shelves:
            try:
                arena = shelf.pop()
            except IndexError:
                continue
            # Every call starts by writing its verdict there, so that it need not note the time.
            mark = np.from_dlpack(arena[0])[: _UNUSED.nbytes]
            if not idle or np.array_equal(mark, _UNUSED):
                freed += arena[1]
                continue
            mark[...] = _UNUSED
            if not shelf:
                shelf.append(arena)
        return freed

    def held(self) -> tuple[int, ...]:
        """Sizes in bytes of the arenas that no call works in."""
        with self._lock:
            shelves = list(self._shelves)
        return tuple(size for shelf in shelves for _, size in tuple(shelf))


#: Of this process.
ARENAS = ThreadArenas()
