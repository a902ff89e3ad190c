"""Which records no longer hold."""

from __future__ import annotations

import pytest

from db import Look, Standing
from scheduler.nightly.drift import drifted

FAST = {"fma_gflops": 100.0, "read_gbs_64MiB": 10.0}


def look(secs: float, spread: float = 0.01, **speeds: float) -> Look:
    return Look(secs, spread, {**FAST, **speeds})


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ((), False),
        ((look(1.0),), False),
        ((look(1.05), look(1.0)), False),  # noise
        ((look(1.2), look(1.0)), True),
        ((look(1.0), look(1.2)), False),  # faster
        ((look(1.2, spread=0.2), look(1.0, spread=0.1)), False),  # noisy measurements
        ((look(1.4, fma_gflops=75.0), look(1.0)), False),  # the host lost as much
        ((look(1.4, read_gbs_64MiB=7.0), look(1.0)), False),
        ((look(1.4, read_gbs_64MiB=9.0), look(1.0)), True),
        ((look(1.2, fma_gflops=200.0), look(1.0)), True),  # a faster host explains nothing
    ],
)
def test_slower_than_its_host(looks: tuple[Look, ...], expected: bool) -> None:
    assert drifted(Standing("host1", looks)) is expected


def test_other_calibration_names_do_not_matter() -> None:
    before = Look(1.0, 0.0, {"old": 1.0})
    assert drifted(Standing("host1", (look(1.2), before)))
