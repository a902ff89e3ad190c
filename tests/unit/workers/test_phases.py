"""Figures of a slot: seconds per phase, outcomes, utilisation."""

from __future__ import annotations

import pytest

from db import ErrorKind
from db.testing.builders import ARCH
from tuner.measure import Failure
from tuner.testing import FakeBuilder, FakeMeasurer, SyntheticLatencies
from workers.health import Health
from workers.phases import Phases, WatchedBuilder, WatchedMeasurer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_utilisation_counts_from_the_first_to_the_last_measurement(clock: Clock) -> None:
    phases = Phases(clock)
    clock.now = 50.0
    with phases.time("measure"):
        clock.now += 6.0
    clock.now += 2.0
    with phases.time("build"):
        clock.now += 1.0
    with phases.time("validate"):
        clock.now += 3.0
    clock.now += 100.0
    stats = phases.stats()
    assert stats["measure_s"] == 6.0
    assert stats["validate_s"] == 3.0
    assert stats["utilisation"] == pytest.approx(9.0 / 12.0)


def test_nothing_was_measured_yet() -> None:
    assert Phases().stats() == {"measured": 0.0, "failed": 0.0}


def test_outcomes_of_builds_and_runs() -> None:
    phases, health = Phases(), Health()
    broken = SyntheticLatencies(failing=1.0)
    measurer = WatchedMeasurer(FakeMeasurer(broken), phases, health)
    builder = WatchedBuilder(FakeBuilder(), phases, health)
    built = builder.build("", ARCH, config={"tile": 8}, trace=None)
    assert built.code is not None
    assert measurer.run("w", "", built.code, best=None).failure is not None
    phases.outcome(Failure(ErrorKind.BUILD_ERROR, "refused"))
    phases.outcome(None)
    assert measurer.calibrate()["fma_gflops"] == 100.0
    stats = phases.stats()
    assert (stats["measured"], stats["failed"], stats["fma_gflops"]) == (3.0, 2.0, 100.0)


def test_a_core_that_builds_for_itself_is_at_work_and_does_not_measure(clock: Clock) -> None:
    phases = Phases(clock)
    with phases.time("build_here"):
        clock.now += 5.0
    with phases.time("measure"):
        clock.now += 3.0
    with phases.time("build_here"):
        clock.now += 1.0
    clock.now += 1.0
    with phases.time("measure"):
        clock.now += 3.0
    stats = phases.stats()
    assert stats["build_here_s"] == 6.0
    # From the first measurement on.
    assert stats["measuring"] == pytest.approx(6.0 / 8.0)
    assert stats["utilisation"] == pytest.approx(7.0 / 8.0)
