"""What follows from a snapshot: time left, share spent, gains."""

from __future__ import annotations

import pytest

from db import CampaignState, JobState
from scheduler.display import JobSnapshot, Snapshot


def job(number: int = 1, state: JobState = JobState.RUNNING, **changes: object) -> JobSnapshot:
    return JobSnapshot(number, "dlrm", "znver4", number, state, **changes)  # type: ignore[arg-type]


def campaign(*jobs: JobSnapshot, state: CampaignState = CampaignState.RUNNING) -> Snapshot:
    return Snapshot(1, "dlrm", "autotvm", state, jobs)


def test_gain_needs_both_latencies() -> None:
    assert job(best=1e-5, default=3e-5).gain == pytest.approx(3)
    assert job(best=1e-5).gain is None
    assert job(default=1e-5).gain is None


@pytest.mark.parametrize(
    ("made", "left"),
    [
        (job(seconds=30, running_secs=10), 20),
        (job(seconds=30, running_secs=45), 0),
        (job(budget=100, trials=40, rate=2), 30),
        (job(budget=100, trials=40, rate=0), None),
        (job(budget=100, trials=40, rate=2, seconds=30, running_secs=10), 20),
        (job(), None),
        (job(state=JobState.DONE), 0),
        (job(state=JobState.FAILED, seconds=30), 0),
    ],
)
def test_time_left_of_a_job(made: JobSnapshot, left: float | None) -> None:
    assert made.left == left


def test_jobs_that_wait_take_turns() -> None:
    waiting = [job(n, JobState.QUEUED, seconds=30) for n in (3, 4, 5)]
    one = campaign(job(1, seconds=30, running_secs=10), *waiting)
    assert one.left == pytest.approx(20 + 90)
    two = campaign(*(job(n, seconds=30, running_secs=10) for n in (1, 2)), *waiting)
    assert two.left == pytest.approx((40 + 90) / 2)


def test_time_left_is_unknown_if_it_is_for_any_job() -> None:
    assert campaign(job(1, seconds=30), job(2, JobState.QUEUED)).left is None


def test_a_finished_campaign_has_no_time_left_and_spent_everything() -> None:
    ended = campaign(job(state=JobState.DONE), state=CampaignState.DONE)
    assert (ended.left, ended.spent, ended.finished) == (0.0, 1.0, True)


def test_spent_is_the_mean_over_jobs() -> None:
    jobs = [job(1, JobState.DONE), job(2, seconds=20, running_secs=5), job(3, JobState.QUEUED)]
    assert campaign(*jobs).spent == pytest.approx((1 + 0.25 + 0) / 3)


def test_errors_are_counted_by_kind() -> None:
    counted = campaign(
        job(1, errors={"run_crash": 2}), job(2, errors={"run_crash": 1, "build_error": 4})
    )
    assert counted.errors == {"run_crash": 3, "build_error": 4}
