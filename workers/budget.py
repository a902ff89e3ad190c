"""What is left of a job's budget: earlier attempts count."""

from __future__ import annotations

from datetime import datetime

from db import Job, JobAction, Store


def seconds_spent(store: Store, job: Job) -> float:
    """Seconds that earlier attempts of a job searched: from each claim to the last measurement.

    What came between, such as a night with the power off, does not count.
    """
    claimed = {e.attempt: e.at for e in store.events(job.id) if e.action is JobAction.CLAIM}
    last: dict[int, datetime] = {}
    after = 0
    while page := store.samples(job.id, after=after):
        last.update((sample.attempt, sample.at) for sample in page)
        after = page[-1].id
    return sum(
        max(0.0, (last[attempt] - at).total_seconds())
        for attempt, at in claimed.items()
        if attempt < job.attempt and attempt in last
    )


def seconds_left(store: Store, job: Job) -> float | None:
    """Seconds that a job may still search, by its own budget; None if only trials count."""
    if job.seconds is None:
        return None
    spent = seconds_spent(store, job) if job.attempt > 1 else 0.0
    return max(0.0, job.seconds - spent)


def seconds_to_end(store: Store, job: Job) -> float | None:
    """Seconds until the campaign's budget in wall time ends; None if it has none."""
    if job.ends_at is None:
        return None
    return (job.ends_at - store.now()).total_seconds()
