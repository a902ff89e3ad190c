"""When a host is not fit to measure."""

from __future__ import annotations

from db import ErrorKind
from workers.health import Health, HealthPolicy

POLICY = HealthPolicy(window=10, crash_rate=0.8, calibrations=3, slowest=0.6)


def test_a_fresh_worker_is_fit() -> None:
    assert Health().verdict() is None


def test_a_host_where_almost_everything_crashes_is_failing() -> None:
    health = Health(POLICY)
    for _ in range(2):
        health.outcome(None)
    for _ in range(8):
        assert health.verdict() is None
        health.outcome(ErrorKind.RUN_CRASH)
    assert health.verdict() == "failing: 8 of the last 10 candidates crashed or hung"


def test_candidates_that_are_wrong_say_nothing_about_the_host() -> None:
    health = Health(POLICY)
    for kind in (ErrorKind.WRONG_RESULT, ErrorKind.INVALID_SCHEDULE, ErrorKind.BUILD_ERROR):
        for _ in range(10):
            health.outcome(kind)
    assert health.verdict() is None


def test_a_core_that_slowed_down_is_noisy() -> None:
    health = Health(POLICY)
    for speed in (100.0, 98.0, 99.0, 55.0):
        health.calibrated({"fma_gflops": speed})
        assert health.verdict() is None, "one slow calibration is nothing"
    health.calibrated({"fma_gflops": 50.0})
    assert health.verdict() == "noisy: its core runs at 55% of its best (100 GFLOP/s)"


def test_a_core_that_recovers_is_fit() -> None:
    health = Health(POLICY)
    for speed in (100.0, 50.0, 50.0, 99.0, 98.0):
        health.calibrated({"fma_gflops": speed})
    assert health.verdict() is None


def test_a_calibration_without_a_speed_is_passed_over() -> None:
    health = Health(POLICY)
    for _ in range(5):
        health.calibrated({"stream_gbs": 20.0})
    assert health.verdict() is None
