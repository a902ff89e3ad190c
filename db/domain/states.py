"""The life of a job: its states, and the one table of transitions between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class JobState(StrEnum):
    """Where a job stands.

    ::

        queued ──claim──► running ──finish────► done
          ▲ ▲               │ │ │ ──fail──────► failed        (no retry wanted)
          │ └retry, release─┘ │ │ ──quarantine► quarantined   (too many failures)
          │                   │ └───cancel────► cancelled     (also from queued and lost)
          │                  lose
          │                   ▼
          │                  lost ──claim─────► running
          └──requeue── failed, quarantined, cancelled        (by a person)

    A retried or lost job carries ``not_before`` and is claimed no earlier.
    """

    #: Waits for a worker.
    QUEUED = "queued"
    #: Held by a worker under a lease.
    RUNNING = "running"
    #: Finished by its worker. Final.
    DONE = "done"
    #: Given up by its worker, not worth another attempt. Final until a person requeues it.
    FAILED = "failed"
    #: Its lease ran out: the worker died or was cut off. Claimable again after its back-off.
    LOST = "lost"
    #: Failed or was lost too often. Final until a person requeues it.
    QUARANTINED = "quarantined"
    #: Called off. Final until a person requeues it.
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing moves the job any more without a person."""
        return self in FINAL_STATES

    @property
    def claimable(self) -> bool:
        """Whether a worker may take the job (once its ``not_before`` has passed)."""
        return self in CLAIMABLE_STATES


class JobAction(StrEnum):
    """What moves a job from one state to another; also the kinds of a job's events."""

    #: The job was put into the queue.
    CREATE = "create"
    #: A worker took it.
    CLAIM = "claim"
    #: Its worker finished it.
    FINISH = "finish"
    #: Its worker gave it back; no attempt is counted against it.
    RELEASE = "release"
    #: Its worker failed, another attempt follows.
    RETRY = "retry"
    #: Its worker failed for good.
    FAIL = "fail"
    #: Its lease ran out.
    LOSE = "lose"
    #: It failed or was lost too often.
    QUARANTINE = "quarantine"
    #: A person or the scheduler called it off.
    CANCEL = "cancel"
    #: A person put it back into the queue, its failures forgotten.
    REQUEUE = "requeue"


class CampaignState(StrEnum):
    """Where a campaign stands; derived from its jobs, never stored, so the two cannot disagree."""

    #: Some job is not final yet.
    RUNNING = "running"
    #: Every job is done.
    DONE = "done"
    #: Every job is final, and some failed or are quarantined.
    FAILED = "failed"
    #: Every job is final, none failed, and some were cancelled.
    CANCELLED = "cancelled"


_Q, _R, _L = JobState.QUEUED, JobState.RUNNING, JobState.LOST

#: (state, action) -> next state. What is not here does not happen.
TRANSITIONS: Mapping[tuple[JobState, JobAction], JobState] = MappingProxyType(
    {
        (_Q, JobAction.CLAIM): JobState.RUNNING,
        (_L, JobAction.CLAIM): JobState.RUNNING,
        (_R, JobAction.FINISH): JobState.DONE,
        (_R, JobAction.RELEASE): JobState.QUEUED,
        (_R, JobAction.RETRY): JobState.QUEUED,
        (_R, JobAction.FAIL): JobState.FAILED,
        (_R, JobAction.LOSE): JobState.LOST,
        (_R, JobAction.QUARANTINE): JobState.QUARANTINED,
        (_Q, JobAction.CANCEL): JobState.CANCELLED,
        (_R, JobAction.CANCEL): JobState.CANCELLED,
        (_L, JobAction.CANCEL): JobState.CANCELLED,
        (JobState.FAILED, JobAction.REQUEUE): JobState.QUEUED,
        (JobState.QUARANTINED, JobAction.REQUEUE): JobState.QUEUED,
        (JobState.CANCELLED, JobAction.REQUEUE): JobState.QUEUED,
    }
)

#: States nothing leaves without a person.
FINAL_STATES = frozenset({JobState.DONE, JobState.FAILED, JobState.QUARANTINED, JobState.CANCELLED})

#: States a worker may claim from.
CLAIMABLE_STATES = frozenset(source for source, action in TRANSITIONS if action is JobAction.CLAIM)


def sources(action: JobAction) -> frozenset[JobState]:
    """States that `action` may start from."""
    return frozenset(state for state, taken in TRANSITIONS if taken is action)


def target(action: JobAction) -> JobState:
    """State that `action` leads to; every action has exactly one."""
    if action is JobAction.CREATE:
        return JobState.QUEUED
    return next(state for (_, taken), state in TRANSITIONS.items() if taken is action)


def campaign_state(jobs: Mapping[JobState, int]) -> CampaignState:
    """State of a campaign whose jobs are counted by state."""
    present = {state for state, count in jobs.items() if count}
    if present - FINAL_STATES:
        return CampaignState.RUNNING
    if present & {JobState.FAILED, JobState.QUARANTINED}:
        return CampaignState.FAILED
    if JobState.CANCELLED in present:
        return CampaignState.CANCELLED
    return CampaignState.DONE
