"""When a campaign is paused by itself."""

from __future__ import annotations

import pytest

from db import JobState
from scheduler.policy.breaker import BreakerPolicy, why_break

POLICY = BreakerPolicy(jobs=10, job_rate=0.5, candidates=100, candidate_rate=0.9)


@pytest.mark.parametrize(
    ("done", "failed", "quarantined", "measured", "bad", "why"),
    [
        (0, 0, 0, 0, 0, None),
        (0, 9, 0, 0, 0, None),  # too few to tell
        (5, 4, 1, 0, 0, "5 of 10 jobs failed"),
        (6, 4, 0, 0, 0, None),
        (0, 0, 0, 99, 99, None),
        (0, 0, 0, 100, 90, "90 of 100 candidates failed"),
        (0, 0, 0, 100, 89, None),
    ],
)
def test_breaks(
    done: int, failed: int, quarantined: int, measured: int, bad: int, why: str | None
) -> None:
    jobs = {
        JobState.DONE: done,
        JobState.FAILED: failed,
        JobState.QUARANTINED: quarantined,
        JobState.RUNNING: 50,
    }
    assert why_break(POLICY, jobs, measured, bad) == why
