"""Kernels that several buckets of one graph want, compiled once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from runtime.program.alike import same_but_batch
from runtime.program.kernels import Kernel


@dataclass(frozen=True, slots=True)
class Wanted:
    """A kernel of one bucket that is scheduled by a template's configuration."""

    batch: int
    #: What is to be computed: the text of the unscheduled function.
    text: str
    #: Shape of each parameter.
    shapes: tuple[tuple[int, ...], ...]
    #: Positions of the parameters that have an example per row.
    with_rows: frozenset[int]
    #: Knobs of the template.
    config: tuple[tuple[str, int], ...]

    @property
    def family(self) -> Hashable:
        """Equal for kernels that may be the same but for the batch."""
        tails = tuple(
            shape[1:] if i in self.with_rows else shape for i, shape in enumerate(self.shapes)
        )
        return tails, self.with_rows, self.config

    def served_by(self, other: Wanted) -> bool:
        """True if code for `other` computes this, should it be able to stop early."""
        return self.batch <= other.batch and same_but_batch(
            self.text, self.batch, other.text, other.batch
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    wanted: Wanted
    made: Future[Kernel] = field(default_factory=Future)

    def serves(self, batch: int) -> bool:
        """True once it is made, and serves that batch size."""
        if self.made.exception() is not None:
            return False
        step = self.made.result().step
        return batch == self.wanted.batch or (step > 0 and batch % step == 0)


class SharedKernels:
    """Hands out kernels, each made by who asks first; others wait for it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._families: dict[Hashable, list[_Entry]] = {}
        self._single: dict[Hashable, Future[Kernel]] = {}

    def get(self, wanted: Wanted, make: Callable[[], Kernel]) -> Kernel:
        """The kernel of another bucket that serves this one, else what `make` makes.

        Raises what `make` raises.
        """
        tried: list[_Entry] = []
        while True:
            with self._lock:
                entries = self._families.setdefault(wanted.family, [])
                entry = _first(entries, wanted, tried)
                if entry is None:
                    mine = _Entry(wanted)
                    entries.append(mine)
                    break
            if entry.serves(wanted.batch):
                return entry.made.result()
            tried.append(entry)
        return _fill(mine.made, make)

    def once(self, key: Hashable, make: Callable[[], Kernel]) -> Kernel:
        """What `make` makes, the first time that something is asked for by `key`."""
        with self._lock:
            known = self._single.get(key)
            future = self._single.setdefault(key, Future())
        return _fill(future, make) if known is None else future.result()

    def clear(self) -> None:
        """Forget what was made."""
        with self._lock:
            self._families.clear()
            self._single.clear()


def _first(entries: Sequence[_Entry], wanted: Wanted, tried: Sequence[_Entry]) -> _Entry | None:
    return next(
        (
            entry
            for entry in entries
            if not any(entry is t for t in tried) and wanted.served_by(entry.wanted)
        ),
        None,
    )


def _fill(future: Future[Kernel], make: Callable[[], Kernel]) -> Kernel:
    try:
        kernel = make()
    except BaseException as error:
        future.set_exception(error)
        raise
    future.set_result(kernel)
    return kernel
