"""What a night tunes first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from db import BestRecord
from scheduler.nightly.plan import Need, Wanted, need_of, plan

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)


def record(days: float) -> BestRecord:
    at = NOW - timedelta(days=days)
    return BestRecord("w", "znver4", "t", "warm", None, None, "ansor", 1e-5, None, "u", at)


@pytest.mark.parametrize(
    ("current", "ever", "need"),
    [
        ({}, {}, Need.NEW),
        ({"a": record(1)}, {"a": record(1)}, Need.NEW),  # b has none
        ({}, {"a": record(1), "b": record(1)}, Need.STALE),  # another toolchain
        ({"a": record(1), "b": record(40)}, {"a": record(1), "b": record(40)}, Need.STALE),
        ({"a": record(1), "b": record(2)}, {"a": record(1), "b": record(2)}, Need.KNOWN),
    ],
)
def test_need(current: dict[str, BestRecord], ever: dict[str, BestRecord], need: Need) -> None:
    assert need_of(["a", "b"], current, ever, now=NOW, stale_days=30.0) is need


def test_a_drifted_record_is_stale() -> None:
    records = {"a": record(1), "b": record(2)}
    need = need_of(["a", "b"], records, records, {"b"}, now=NOW, stale_days=30.0)
    assert need is Need.STALE
    assert need_of(["a"], records, records, {"b"}, now=NOW, stale_days=30.0) is Need.KNOWN


def wanted(model: str, bucket: int, need: Need, share: float = 0.5) -> Wanted:
    return Wanted(model, ord(model), "znver4", bucket, share, need)


def test_new_before_stale_before_known() -> None:
    jobs = plan(
        [wanted("a", 1, Need.KNOWN), wanted("b", 2, Need.STALE), wanted("c", 3, Need.NEW)],
        calls={"a": 100.0},
        total_trials=None,
    )
    assert [job.bucket for job in jobs] == [3, 2, 1]
    priorities = [job.priority for job in jobs]
    assert priorities == sorted(priorities, reverse=True)
    assert len(set(priorities)) == 3
    assert all(job.trials is None for job in jobs)


def test_models_take_turns_by_traffic() -> None:
    made = [wanted(m, b, Need.NEW, 0.25) for m in "ab" for b in (1, 2, 3, 4)]
    jobs = plan(made, calls={"a": 3.0}, total_trials=None)
    first = [chr(job.model_version) for job in jobs[:4]]
    assert first.count("a") == 3


def test_trials_go_where_traffic_and_gain_are() -> None:
    jobs = plan(
        [
            wanted("a", 1, Need.NEW, 0.75),
            wanted("a", 2, Need.NEW, 0.25),
            wanted("b", 3, Need.KNOWN),
        ],
        calls={},
        total_trials=1000,
    )
    trials = {job.bucket: job.trials or 0 for job in jobs}
    assert sum(trials.values()) == 1000
    assert trials[1] > 2.5 * trials[2] > trials[3] > 0


def test_an_empty_night() -> None:
    assert plan([], calls={}, total_trials=10) == []
