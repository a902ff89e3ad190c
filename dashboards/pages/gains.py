"""What tuning won, per model, CPU architecture and bucket."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dashboards.pages.base import Context
from db.views.kernels import Kernel


@dataclass(frozen=True, slots=True)
class BucketGain:
    """One bucket of a model on one CPU architecture."""

    #: Name of the model.
    model: str
    #: Name of the CPU architecture.
    arch: str
    #: Batch size.
    bucket: int
    #: Kernels, each counted as often as an inference calls it.
    kernels: int
    #: Of them with a record.
    tuned: int
    #: Of those with a stale one.
    stale: int
    #: Seconds of one inference in the tuned kernels, with their records.
    best_secs: float | None
    #: The same with default schedules.
    default_secs: float | None

    @property
    def gain(self) -> float | None:
        """How many times faster its tuned kernels are than with default schedules."""
        if self.best_secs is None or self.default_secs is None:
            return None
        return self.default_secs / self.best_secs


@dataclass(frozen=True, slots=True)
class ModelGain:
    """A model on one CPU architecture."""

    #: Name of the model.
    model: str
    #: Name of the CPU architecture.
    arch: str
    #: Kernels of all buckets.
    kernels: int
    #: Of them with a record.
    tuned: int
    #: How many times faster than default schedules: over buckets, weighted by traffic.
    gain: float | None


def latest_gains(context: Context, traffic: Mapping[str, Mapping[int, float]]) -> list[ModelGain]:
    """What tuning won on the latest version of every model; `traffic` as for `model_gains`."""
    every = context.kernels()
    buckets = context.cache.made_of("gains by bucket", every, lambda: bucket_gains(every))
    return model_gains(buckets, traffic)


def bucket_gains(kernels: Iterable[Kernel]) -> list[BucketGain]:
    """Sum up kernels by model, architecture and bucket."""
    groups: dict[tuple[str, str, int], list[Kernel]] = defaultdict(list)
    for kernel in kernels:
        groups[kernel.model, kernel.arch, kernel.bucket].append(kernel)
    return [_bucket(*key, of_bucket) for key, of_bucket in sorted(groups.items())]


def _bucket(model: str, arch: str, bucket: int, of_bucket: list[Kernel]) -> BucketGain:
    tuned = [k for k in of_bucket if k.tuned]
    known = [
        (k.calls, k.best_secs, k.default_secs)
        for k in tuned
        if k.best_secs is not None and k.default_secs is not None
    ]
    return BucketGain(
        model=model,
        arch=arch,
        bucket=bucket,
        kernels=sum(k.calls for k in of_bucket),
        tuned=sum(k.calls for k in tuned),
        stale=sum(k.calls for k in tuned if k.stale),
        best_secs=math.fsum(calls * best for calls, best, _ in known) if known else None,
        default_secs=math.fsum(calls * secs for calls, _, secs in known) if known else None,
    )


def model_gains(
    buckets: Iterable[BucketGain], traffic: Mapping[str, Mapping[int, float]]
) -> list[ModelGain]:
    """Sum up buckets by model and architecture.

    Parameters
    ----------
    buckets
        As of `bucket_gains`.
    traffic
        Share of the calls per bucket, by model; buckets that it leaves out weigh as much as the
        least of those that it names.
    """
    groups: dict[tuple[str, str], list[BucketGain]] = defaultdict(list)
    for bucket in buckets:
        groups[bucket.model, bucket.arch].append(bucket)
    found = []
    for (model, arch), of_model in sorted(groups.items()):
        shares = traffic.get(model, {})
        least = min(shares.values(), default=1.0)
        weighted = [
            (shares.get(b.bucket, least), b.best_secs, b.default_secs)
            for b in of_model
            if b.best_secs is not None and b.default_secs is not None
        ]
        best = math.fsum(share * secs for share, secs, _ in weighted)
        default = math.fsum(share * secs for share, _, secs in weighted)
        found.append(
            ModelGain(
                model=model,
                arch=arch,
                kernels=sum(b.kernels for b in of_model),
                tuned=sum(b.tuned for b in of_model),
                gain=default / best if best > 0 else None,
            )
        )
    return found
