"""When a job that failed or was lost is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from db.domain.states import JobAction


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon; stored with the campaign, so every process decides alike."""

    #: Failures and losses after which a job is quarantined.
    max_failures: int = 3
    #: Wait before the second attempt, in seconds; doubles with each failure.
    backoff_s: float = 5.0
    #: Longest wait, in seconds.
    backoff_max_s: float = 600.0

    def __post_init__(self) -> None:
        if self.max_failures < 1 or self.backoff_s < 0 or self.backoff_max_s < 0:
            raise ValueError(f"not a retry policy: {self}")


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What becomes of a job after a failure."""

    #: The transition to take.
    action: JobAction
    #: Seconds until it may be claimed again.
    delay_s: float = 0.0


def after_failure(policy: RetryPolicy, failures: int, *, lost: bool) -> RetryDecision:
    """Decide what follows the `failures`-th failure (counting this one) of a job.

    Parameters
    ----------
    policy
        The campaign's policy.
    failures
        Failures and losses so far, this one included.
    lost
        Whether the lease ran out, rather than the worker reporting a failure.
    """
    if failures >= policy.max_failures:
        return RetryDecision(JobAction.QUARANTINE)
    # The exponent is bounded so that a generous max_failures cannot overflow a float.
    delay = min(policy.backoff_s * 2.0 ** min(failures - 1, 60), policy.backoff_max_s)
    return RetryDecision(JobAction.LOSE if lost else JobAction.RETRY, delay)
