"""Dataclasses refuse what makes no sense, and compute what they promise."""

from __future__ import annotations

import statistics
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import ErrorKind, Toolchain, measurement_uid
from db.testing.builders import measurement, promotion

secs = st.floats(1e-9, 1e3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_secs": ()},
        {"error_kind": "build_error"},
        {"run_secs": (), "error_kind": "bad_mood"},
        {"run_secs": (float("nan"),)},
        {"run_secs": (float("inf"),)},
        {"run_secs": (0.0,)},
        {"regime": "tepid"},
    ],
)
def test_impossible_measurements(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"measurement|ErrorKind"):
        measurement(**wrong)  # type: ignore[arg-type]


def test_an_error_has_no_numbers() -> None:
    failed = measurement(secs=None, error_kind=ErrorKind.RUN_CRASH)
    assert (failed.median, failed.spread) == (None, None)


@given(st.lists(secs, min_size=2, max_size=9))
def test_median_and_spread(run_secs: list[float]) -> None:
    measured = replace(measurement(), run_secs=tuple(run_secs))
    low, middle, high = statistics.quantiles(run_secs, n=4, method="inclusive")
    assert measured.median == pytest.approx(middle)
    assert measured.spread == pytest.approx((high - low) / middle, rel=1e-6, abs=1e-9)


def test_one_repeat_has_no_spread() -> None:
    assert replace(measurement(), run_secs=(1e-5,)).spread == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"validation": {}},
        {"validation": {"passed": False}},
        {"run_secs_median": float("nan")},
        {"run_secs_median": 0.0},
        {"regime": "tepid"},
    ],
)
def test_impossible_promotions(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="promotion"):
        promotion(measurement(), **wrong)


def test_uids_tell_attempts_apart() -> None:
    uids = {
        measurement_uid(job, attempt, candidate, regime)
        for job in (1, 11)
        for attempt in (1, 11)
        for candidate in ("a", "b")
        for regime in ("warm", "cold")
    }
    assert len(uids) == 16
    assert all(len(uid) == 32 for uid in uids)
    assert measurement_uid(1, 1, "a") == measurement_uid(1, 1, "a", "warm")


def test_toolchains_are_keyed_by_every_version() -> None:
    base = Toolchain("0.27", "22", "1")
    others = [replace(base, **{name: "x"}) for name in ("tvm", "llvm", "templates")]
    assert len({base.key, *(other.key for other in others)}) == 4
    assert len(base.key) == 16
    assert Toolchain("a", "b\nc", "d").key != Toolchain("a\nb", "c", "d").key


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        measurement().uid = "other"  # type: ignore[misc]
