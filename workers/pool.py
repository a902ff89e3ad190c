"""Several builders as one: as many builds at once as there are of them."""

from __future__ import annotations

import queue
from collections.abc import Mapping, Sequence

from db import CpuArch
from tuner.measure import Builder, BuildResult


class BuilderPool(Builder):
    """Hands each call to a builder that is free; the first ones are preferred, and stay warm."""

    def __init__(self, builders: Sequence[Builder]) -> None:
        self._builders = list(builders)
        self.at_once = len(self._builders)
        self._free: queue.PriorityQueue[int] = queue.PriorityQueue()
        for at in range(len(self._builders)):
            self._free.put(at)

    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        """See `Builder.build`."""
        at = self._free.get()
        try:
            return self._builders[at].build(tir, arch, config=config, trace=trace)
        finally:
            self._free.put(at)

    def close(self) -> None:
        """See `Builder.close`."""
        for builder in self._builders:
            builder.close()
