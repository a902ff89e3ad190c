"""The share of the time in tuned kernels, where untuned ones were never timed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboards.pages.pace import tuned_times
from db.views.kernels import Kernel

#: A gigaflop per second of a core that does ten, four times slower by default.
TUNED = Kernel(
    "m", 1, "znver4", 16, "a", "dense", "dense", 1e6, 1e3, 1, 1e-3, 4e-3, 0.1, None, False
)


def _untuned(**changes: object) -> Kernel:
    none = {"best_secs": None, "default_secs": None, "roofline": None}
    return replace(TUNED, **{**none, **changes})  # type: ignore[arg-type]


def test_untuned_kernels_are_as_slow_as_default_schedules_are() -> None:
    # At the roofline a tenth of a millisecond; forty times that by default.
    (time,) = tuned_times([TUNED, _untuned(workload="b")])
    assert time.share == pytest.approx(1e-3 / (1e-3 + 4e-3))
    (time,) = tuned_times([TUNED, _untuned(workload="b", flops=2e6, calls=3)])
    assert time.share == pytest.approx(1e-3 / (1e-3 + 3 * 8e-3))
    # What hardly computes is bound by what it moves.
    (time,) = tuned_times([TUNED, _untuned(workload="b", flops=1.0, bytes=2e3)])
    assert time.share == pytest.approx(1e-3 / (1e-3 + 8e-3))


def test_all_and_nothing() -> None:
    assert [t.share for t in tuned_times([TUNED])] == [1.0]
    assert [t.share for t in tuned_times([_untuned()])] == [0.0]


def test_buckets_and_architectures_stand_alone() -> None:
    other = replace(TUNED, bucket=64)
    found = tuned_times([TUNED, other, _untuned(arch="haswell"), _untuned(arch="haswell")])
    assert [(t.arch, t.bucket, t.share) for t in found] == [
        ("haswell", 16, 0.0),
        ("znver4", 16, 1.0),
        ("znver4", 64, 1.0),
    ]


def test_without_a_roofline_nothing_tells() -> None:
    blind = replace(TUNED, roofline=None)
    assert [t.share for t in tuned_times([blind, _untuned(workload="b")])] == [None]
