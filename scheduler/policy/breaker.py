"""When a campaign fails so often that going on wastes machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from db import JobState


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a campaign is paused by itself."""

    #: Jobs that have to be final before their failures count.
    jobs: int = 10
    #: Share of them that failed.
    job_rate: float = 0.5
    #: Candidates that have to be measured before their failures count.
    candidates: int = 500
    #: Share of them that failed; a search in a space full of invalid schedules may reach 0.8.
    candidate_rate: float = 0.95


def why_break(
    policy: BreakerPolicy, jobs: Mapping[JobState, int], measured: int, failed: int
) -> str | None:
    """Why a campaign should be paused; None if it may go on.

    Parameters
    ----------
    jobs
        Jobs of the campaign, by state.
    measured, failed
        Candidates, and those of them that have no latency.
    """
    broken = jobs.get(JobState.FAILED, 0) + jobs.get(JobState.QUARANTINED, 0)
    final = broken + jobs.get(JobState.DONE, 0)
    if final >= policy.jobs and broken >= policy.job_rate * final:
        return f"{broken} of {final} jobs failed"
    if measured >= policy.candidates and failed >= policy.candidate_rate * measured:
        return f"{failed} of {measured} candidates failed"
    return None
