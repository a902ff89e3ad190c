"""What share of an inference's time tuned kernels take, where untuned ones were never timed."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from db.views.kernels import Kernel


@dataclass(frozen=True, slots=True)
class TunedTime:
    """A bucket of a model on a CPU architecture."""

    #: Name of the CPU architecture.
    arch: str
    #: Batch size.
    bucket: int
    #: Share of an inference's time that its tuned kernels take, 0 to 1; ``None`` if nothing tells
    #: how long the untuned ones take. These are taken to be as far from their roofline as the
    #: default schedules of the model's tuned kernels on this architecture are, in the median.
    share: float | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast kernels with default schedules are on a CPU architecture."""

    #: Operations per second of the core, as far as records tell.
    flops: float
    #: Bytes per second of the core, as far as records tell.
    bytes: float
    #: How many times longer than at its roofline a kernel takes with its default schedule.
    slack: float

    @classmethod
    def of(cls, kernels: Iterable[Kernel]) -> Pace | None:
        """Pace by the tuned ones of `kernels`; ``None`` if they do not tell."""
        # A record knows its part of the roofline, hence how long it would take at the roofline.
        roofs = [
            (k, k.roofline * k.best_secs, k.default_secs)
            for k in kernels
            if k.roofline and k.best_secs and k.default_secs
        ]
        flops = max((k.flops / secs for k, secs, _ in roofs), default=0.0)
        moved = max((k.bytes / secs for k, secs, _ in roofs), default=0.0)
        if flops <= 0.0 or moved <= 0.0:
            return None
        return cls(flops, moved, statistics.median(default / secs for _, secs, default in roofs))

    def secs(self, kernel: Kernel) -> float:
        """Seconds that one call of an untuned kernel is taken to last."""
        return self.slack * max(kernel.flops / self.flops, kernel.bytes / self.bytes)


def tuned_times(kernels: Sequence[Kernel]) -> list[TunedTime]:
    """By CPU architecture and bucket, of the kernels of one model."""
    by_arch: dict[str, list[Kernel]] = defaultdict(list)
    groups: dict[tuple[str, int], list[Kernel]] = defaultdict(list)
    for kernel in kernels:
        by_arch[kernel.arch].append(kernel)
        groups[kernel.arch, kernel.bucket].append(kernel)
    paces = {arch: Pace.of(on_arch) for arch, on_arch in by_arch.items()}
    return [
        TunedTime(arch, bucket, _share(of_bucket, paces[arch]))
        for (arch, bucket), of_bucket in sorted(groups.items())
    ]


def _share(kernels: Sequence[Kernel], pace: Pace | None) -> float | None:
    tuned = math.fsum(k.calls * k.best_secs for k in kernels if k.best_secs is not None)
    untuned = [k for k in kernels if k.best_secs is None]
    if not untuned:
        return 1.0
    if tuned == 0.0:
        return 0.0
    if pace is None:
        return None
    return tuned / (tuned + math.fsum(k.calls * pace.secs(k) for k in untuned))
