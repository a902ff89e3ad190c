"""The one way a job changes state: a row locked, a row changed, an event told."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from db.domain.retry import RetryPolicy, after_failure
from db.domain.states import TRANSITIONS, JobAction, JobState
from db.schema import queue
from db.schema.clock import after, now
from db.store._part import Row, Select

jobs = queue.jobs

_event = sa.insert(queue.events)

#: Columns that deciding about a job needs, from jobs joined with campaigns.
_deciding = (
    jobs.c.id,
    jobs.c.state,
    jobs.c.attempt,
    jobs.c.failures,
    jobs.c.worker,
    jobs.c.token,
    queue.campaigns.c.max_failures,
    queue.campaigns.c.backoff_s,
    queue.campaigns.c.backoff_max_s,
)


def locked(*conditions: Any, skip_locked: bool = False) -> Select:
    """Select jobs to be moved, locked until the end of the transaction, in the order of ids."""
    return (
        sa.select(*_deciding)
        .select_from(jobs)
        .join(queue.campaigns)
        .where(*conditions)
        .order_by(jobs.c.id)
        .with_for_update(of=jobs, skip_locked=skip_locked)
    )


def move(
    connection: sa.Connection,
    row: Row,
    action: JobAction,
    *,
    reason: str,
    delay_s: float = 0.0,
    **changes: Any,
) -> None:
    """Take the job in `row`, which must be locked, through `action`, and tell it.

    Parameters
    ----------
    connection
        Connection whose transaction holds the lock.
    row
        Row of `locked`, or of a query with its columns id, state, attempt and worker.
    action
        What happens; a transition that does not exist is a defect (``KeyError``).
    reason
        Why, for people.
    delay_s
        Seconds until the job may be claimed.
    changes
        Further columns of the job.
    """
    before = JobState(row.state)
    values = {**_moved(before, action, reason, delay_s), **changes}
    connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(values))
    attempt = values.get("attempt", row.attempt)
    worker = values.get("worker", row.worker)
    tell(connection, row.id, before, action, attempt=attempt, worker=worker, reason=reason)


def move_held(
    connection: sa.Connection, job_id: int, token: str, action: JobAction, *, reason: str
) -> bool:
    """Take a running job through `action` and tell it; False if this token does not hold it.

    For what asks nothing of the job but that: one statement finds, locks and changes it.
    """
    before = JobState.RUNNING
    row = connection.execute(
        sa.update(jobs)
        .where(jobs.c.id == job_id, jobs.c.token == token, jobs.c.state == str(before))
        .values(_moved(before, action, reason))
        .returning(jobs.c.attempt, jobs.c.worker)
    ).first()
    if row is None:
        return False
    tell(connection, job_id, before, action, attempt=row.attempt, worker=row.worker, reason=reason)
    return True


def _moved(
    before: JobState, action: JobAction, reason: str, delay_s: float = 0.0
) -> dict[str, Any]:
    """Columns of a job after a transition."""
    state = TRANSITIONS[before, action]
    return {
        "state": str(state),
        "reason": reason,
        "lease_expires_at": None,
        "updated_at": now(),
        "finished_at": now() if state.final else None,
        "not_before": after(delay_s),
    }


def tell(
    connection: sa.Connection,
    job_id: int,
    before: JobState,
    action: JobAction,
    *,
    attempt: int,
    worker: str | None,
    reason: str,
) -> None:
    """Write the event of a transition."""
    event = {
        "job_id": job_id,
        "action": str(action),
        "before": str(before),
        "after": str(TRANSITIONS[before, action]),
        "attempt": attempt,
        "worker": worker,
        "reason": reason,
    }
    connection.execute(_event, event)


def move_after_failure(connection: sa.Connection, row: Row, *, lost: bool, reason: str) -> None:
    """Count a failure or a loss: another attempt after a back-off, or quarantine."""
    policy = RetryPolicy(row.max_failures, row.backoff_s, row.backoff_max_s)
    decision = after_failure(policy, row.failures + 1, lost=lost)
    # The holder's own last word may be repeated, so its token stays; one that was cut off has
    # nothing more to say.
    cut_off = {"token": None} if lost else {}
    move(
        connection,
        row,
        decision.action,
        reason=reason,
        delay_s=decision.delay_s,
        failures=row.failures + 1,
        **cut_off,
    )
