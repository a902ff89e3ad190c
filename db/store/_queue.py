"""The queue: claiming jobs, holding them by leases, letting go of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from db.domain.jobs import Event, Job, Lease
from db.domain.states import JobAction, JobState, sources
from db.errors import LeaseLost, NotFound
from db.schema import catalog, queue
from db.schema.clock import after, now
from db.store._moves import jobs, locked, move, move_after_failure
from db.store._part import Part, Select
from db.store._rows import job_query, to_event, to_job


class Queue(Part):
    """Jobs and their leases."""

    def job(self, job_id: int) -> Job:
        return self._db.read(lambda connection: _read_job(connection, job_id))

    def claim_job(
        self,
        worker: str,
        *,
        archs: Sequence[str] | None = None,
        lease_s: float = 60.0,
        campaign_id: int | None = None,
    ) -> Lease | None:
        token = uuid.uuid4().hex
        # The transaction may run again after a commit whose answer was lost: then the job it
        # took is found by its token, and no second one is taken.
        taken: list[int] = []

        def body(connection: sa.Connection) -> Lease | None:
            if not (taken and _holds(connection, taken[-1], token)):
                row = connection.execute(
                    first_claimable(self._arch_ids(connection, archs), campaign_id)
                ).first()
                if row is None:
                    return None
                taken.append(row.id)
                move(
                    connection,
                    row,
                    JobAction.CLAIM,
                    reason="",
                    worker=worker,
                    attempt=row.attempt + 1,
                    token=token,
                    lease_expires_at=after(lease_s),
                    started_at=sa.func.coalesce(jobs.c.started_at, now()),
                )
            job = _read_job(connection, taken[-1])
            assert job.lease_expires_at is not None
            return Lease(job, token, job.lease_expires_at)

        lease = self._db.write(body)
        if lease is None and self.expire_leases():
            lease = self._db.write(body)
        return lease

    def renew(self, lease: Lease, lease_s: float = 60.0) -> Lease:
        def body(connection: sa.Connection) -> Lease:
            statement = (
                sa.update(jobs)
                .where(
                    jobs.c.id == lease.job.id,
                    jobs.c.token == lease.token,
                    jobs.c.state == str(JobState.RUNNING),
                )
                .values(lease_expires_at=after(lease_s))
                .returning(jobs.c.lease_expires_at)
            )
            expires_at = connection.execute(statement).scalar_one_or_none()
            if expires_at is None:
                raise _lost(connection, lease)
            return replace(lease, expires_at=expires_at)

        return self._db.write(body)

    def finish(self, lease: Lease, reason: str = "") -> None:
        self._leave(lease, JobAction.FINISH, reason)

    def release(self, lease: Lease, reason: str = "") -> None:
        self._leave(lease, JobAction.RELEASE, reason)

    def fail(self, lease: Lease, reason: str, retry: bool = True) -> Job:
        self._leave(lease, JobAction.RETRY if retry else JobAction.FAIL, reason)
        return self.job(lease.job.id)

    def cancel_job(self, job_id: int, reason: str) -> bool:
        return self._move_one(job_id, JobAction.CANCEL, reason)

    def requeue_job(self, job_id: int, reason: str) -> bool:
        return self._move_one(job_id, JobAction.REQUEUE, reason, failures=0)

    def expire_leases(self) -> int:
        # Looked for before locking anything: usually there is none, and on SQLite the look
        # keeps writers out of each other's way.
        overdue = (queue.RUNNING, jobs.c.lease_expires_at < now())
        if not self._db.read(
            lambda connection: connection.execute(sa.select(jobs.c.id).where(*overdue)).first()
        ):
            return 0

        def body(connection: sa.Connection) -> int:
            rows = connection.execute(locked(*overdue, skip_locked=True)).all()
            for row in rows:
                move_after_failure(
                    connection, row, lost=True, reason=f"lease of {row.worker} ran out"
                )
            return len(rows)

        return self._db.write(body)

    def events(self, job_id: int) -> list[Event]:
        table = queue.events
        query = sa.select(table).where(table.c.job_id == job_id).order_by(table.c.id)
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return [to_event(row) for row in rows]

    def _arch_ids(self, connection: sa.Connection, archs: Sequence[str] | None) -> list[int]:
        if archs is None:
            return list(connection.execute(sa.select(catalog.cpu_archs.c.id)).scalars())
        return sorted(self._archs.find(connection, archs).values())

    def _leave(self, lease: Lease, action: JobAction, reason: str) -> None:
        def body(connection: sa.Connection) -> None:
            row = connection.execute(locked(jobs.c.id == lease.job.id)).first()
            if row is None or row.token != lease.token:
                raise _lost(connection, lease)
            if row.state != JobState.RUNNING:
                if JobState(row.state) in _OUTCOMES[action]:
                    return  # Said already; the answer may have been lost on its way.
                raise _lost(connection, lease)
            if action is JobAction.RETRY:
                move_after_failure(connection, row, lost=False, reason=reason)
            else:
                failed = 1 if action is JobAction.FAIL else 0
                move(connection, row, action, reason=reason, failures=row.failures + failed)

        self._db.write(body)

    def _move_one(self, job_id: int, action: JobAction, reason: str, **changes: Any) -> bool:
        def body(connection: sa.Connection) -> bool:
            row = connection.execute(locked(jobs.c.id == job_id)).first()
            if row is None:
                raise NotFound(f"unknown job {job_id}; list the jobs with `tunefleet status`")
            if JobState(row.state) not in sources(action):
                return False
            move(connection, row, action, reason=reason, token=None, **changes)
            return True

        return self._db.write(body)


#: States in which a repeated action of the last holder has happened already.
_OUTCOMES = {
    JobAction.FINISH: {JobState.DONE},
    JobAction.RELEASE: {JobState.QUEUED},
    JobAction.RETRY: {JobState.QUEUED, JobState.QUARANTINED},
    JobAction.FAIL: {JobState.FAILED},
}


def first_claimable(arch_ids: Sequence[int], campaign_id: int | None) -> Select:
    """Select and lock the job to claim next: one index probe per architecture."""
    conditions: list[Any] = [queue.CLAIMABLE, jobs.c.not_before <= now()]
    if campaign_id is not None:
        conditions.append(jobs.c.campaign_id == campaign_id)
    columns = (jobs.c.id, jobs.c.state, jobs.c.attempt, jobs.c.worker, jobs.c.priority)
    arms = [
        sa.select(*columns)
        .where(jobs.c.arch_id == arch_id, *conditions)
        .order_by(jobs.c.priority.desc(), jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        for arch_id in arch_ids
    ]
    if len(arms) < 2:
        return arms[0] if arms else sa.select(*columns).where(sa.false())
    found = sa.union_all(*(sa.select(arm.subquery()) for arm in arms)).subquery()
    return sa.select(found).order_by(found.c.priority.desc(), found.c.id).limit(1)


def _holds(connection: sa.Connection, job_id: int, token: str) -> bool:
    query = sa.select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.token == token)
    return connection.execute(query).first() is not None


def _read_job(connection: sa.Connection, job_id: int) -> Job:
    row = connection.execute(job_query.where(jobs.c.id == job_id)).first()
    if row is None:
        raise NotFound(f"unknown job {job_id}; list the jobs with `tunefleet status`")
    return to_job(row)


def _lost(connection: sa.Connection, lease: Lease) -> LeaseLost:
    query = sa.select(jobs.c.state, jobs.c.worker).where(jobs.c.id == lease.job.id)
    row = connection.execute(query).first()
    now_ = "gone" if row is None else f"{row.state}, last held by {row.worker}"
    return LeaseLost(f"the lease on job {lease.job.id} is lost: the job is {now_}; claim another")
