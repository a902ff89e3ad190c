"""The table of transitions, and what is derived from it."""

from __future__ import annotations

import pytest

from db.domain.retry import RetryPolicy, after_failure
from db.domain.states import (
    CLAIMABLE_STATES,
    FINAL_STATES,
    TRANSITIONS,
    CampaignState,
    JobAction,
    JobState,
    campaign_state,
    sources,
)


def test_every_state_is_reached_and_described() -> None:
    reached = {JobState.QUEUED, *TRANSITIONS.values()}
    assert reached == set(JobState)
    assert JobState.__doc__ is not None
    assert all(state in JobState.__doc__ for state in JobState)


def test_every_action_leads_to_one_state() -> None:
    for action in set(JobAction) - {JobAction.CREATE}:
        ends = {after for (_, taken), after in TRANSITIONS.items() if taken is action}
        assert len(ends) == 1
        assert sources(action)


def test_only_a_person_leaves_a_final_state() -> None:
    leaving = {action for (state, action) in TRANSITIONS if state in FINAL_STATES}
    assert leaving == {JobAction.REQUEUE}
    assert all(state.final == (state in FINAL_STATES) for state in JobState)


def test_nothing_leaves_done() -> None:
    assert not [action for (state, action) in TRANSITIONS if state is JobState.DONE]


def test_claimable_states() -> None:
    assert {JobState.QUEUED, JobState.LOST} == CLAIMABLE_STATES
    assert all(state.claimable == (state in CLAIMABLE_STATES) for state in JobState)


@pytest.mark.parametrize(
    ("jobs", "state"),
    [
        ({}, CampaignState.DONE),
        ({JobState.DONE: 2, JobState.FAILED: 0}, CampaignState.DONE),
        ({JobState.DONE: 2, JobState.QUEUED: 1}, CampaignState.RUNNING),
        ({JobState.FAILED: 2, JobState.RUNNING: 1}, CampaignState.RUNNING),
        ({JobState.DONE: 2, JobState.LOST: 1}, CampaignState.RUNNING),
        ({JobState.DONE: 2, JobState.QUARANTINED: 1}, CampaignState.FAILED),
        ({JobState.CANCELLED: 1, JobState.FAILED: 1}, CampaignState.FAILED),
        ({JobState.CANCELLED: 1, JobState.DONE: 1}, CampaignState.CANCELLED),
    ],
)
def test_campaign_state(jobs: dict[JobState, int], state: CampaignState) -> None:
    assert campaign_state(jobs) is state


def test_back_off_doubles_up_to_its_limit() -> None:
    policy = RetryPolicy(max_failures=100, backoff_s=5, backoff_max_s=60)
    delays = [after_failure(policy, n, lost=False).delay_s for n in range(1, 7)]
    assert delays == [5, 10, 20, 40, 60, 60]
    assert after_failure(policy, 99, lost=False).delay_s == 60


def test_what_follows_a_failure() -> None:
    policy = RetryPolicy(max_failures=2)
    assert after_failure(policy, 1, lost=False).action is JobAction.RETRY
    assert after_failure(policy, 1, lost=True).action is JobAction.LOSE
    assert after_failure(policy, 2, lost=True).action is JobAction.QUARANTINE


@pytest.mark.parametrize(
    "wrong", [{"max_failures": 0}, {"backoff_s": -1.0}, {"backoff_max_s": -1.0}]
)
def test_impossible_policies(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="not a retry policy"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
