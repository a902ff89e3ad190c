"""The queue: claiming jobs, holding them by leases, letting go of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from db.domain.jobs import Event, Job, Lease
from db.domain.states import TRANSITIONS, JobAction, JobState, sources
from db.errors import LeaseLost, NotFound
from db.schema import catalog, queue
from db.schema.clock import after, now
from db.store._moves import jobs, locked, move, move_after_failure, move_held, tell
from db.store._part import Part, Row, Select
from db.store._rows import job_query, of_jobs, to_event, to_job


class Queue(Part):
    """Jobs and their leases."""

    _known_jobs: set[int]

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
            if taken and _holds(connection, taken[-1], token):
                job = _read_job(connection, taken[-1])
            else:
                arch_ids = self._arch_ids(connection, archs)
                row = _first_claimable(connection, arch_ids, campaign_id)
                if row is None:
                    return None
                taken.append(row.id)
                job = _claim(connection, row, worker=worker, token=token, lease_s=lease_s)
            assert job.lease_expires_at is not None
            return Lease(job, token, job.lease_expires_at)

        lease = self._db.write(body)
        if lease is None and self.expire_leases():
            lease = self._db.write(body)
        if lease is not None:
            # Its measurements need not ask whether there is such a job.
            self._known_jobs.add(lease.job.id)
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

        return self._db.write(body, single=True)

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
            if action in _SIMPLE and move_held(
                connection, lease.job.id, lease.token, action, reason=reason
            ):
                return
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


#: What a holder does that depends on nothing but its hold.
_SIMPLE = {JobAction.FINISH, JobAction.RELEASE}

#: States in which a repeated action of the last holder has happened already.
_OUTCOMES = {
    JobAction.FINISH: {JobState.DONE},
    JobAction.RELEASE: {JobState.QUEUED},
    JobAction.RETRY: {JobState.QUEUED, JobState.QUARANTINED},
    JobAction.FAIL: {JobState.FAILED},
}


def _first_claimable(
    connection: sa.Connection, arch_ids: Sequence[int], campaign_id: int | None
) -> Row | None:
    if not arch_ids:
        return None
    query = _claimable_query(len(arch_ids), campaign_id is not None)
    values = {f"arch_{n}": arch_id for n, arch_id in enumerate(arch_ids)}
    if campaign_id is not None:
        values["campaign"] = campaign_id
    return connection.execute(query, values).first()


@lru_cache
def _claimable_query(archs: int, in_campaign: bool) -> Select:
    """Select and lock the job to claim next: one index probe per architecture."""
    paused = sa.select(queue.campaigns.c.id).where(queue.PAUSED)
    conditions: list[Any] = [
        queue.CLAIMABLE,
        jobs.c.not_before <= now(),
        jobs.c.campaign_id.not_in(paused),
    ]
    if in_campaign:
        conditions.append(jobs.c.campaign_id == sa.bindparam("campaign"))
    arms = [
        sa.select(jobs)
        .where(jobs.c.arch_id == sa.bindparam(f"arch_{n}"), *conditions)
        .order_by(jobs.c.priority.desc(), jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .subquery()
        for n in range(archs)
    ]
    found = arms[0]
    if archs > 1:
        found = sa.union_all(*(sa.select(arm) for arm in arms)).subquery()
    first = of_jobs(found)
    if archs > 1:
        first = first.order_by(found.c.priority.desc(), found.c.id).limit(1)
    return first


_claim_statement = (
    sa.update(jobs)
    .where(jobs.c.id == sa.bindparam("job_id"))
    .values(
        state=str(JobState.RUNNING),
        reason="",
        attempt=jobs.c.attempt + 1,
        worker=sa.bindparam("by"),
        token=sa.bindparam("proof"),
        lease_expires_at=after(sa.bindparam("lease_s", type_=sa.Double())),
        started_at=sa.func.coalesce(jobs.c.started_at, now()),
        updated_at=now(),
    )
    .returning(jobs.c.attempt, jobs.c.lease_expires_at, jobs.c.started_at)
)


def _claim(connection: sa.Connection, row: Row, *, worker: str, token: str, lease_s: float) -> Job:
    values = {"job_id": row.id, "by": worker, "proof": token, "lease_s": lease_s}
    claimed = connection.execute(_claim_statement, values).one()
    action = JobAction.CLAIM
    before = JobState(row.state)
    tell(connection, row.id, before, action, attempt=claimed.attempt, worker=worker, reason="")
    return replace(
        to_job(row),
        state=TRANSITIONS[before, action],
        reason="",
        worker=worker,
        attempt=claimed.attempt,
        lease_expires_at=claimed.lease_expires_at,
        started_at=claimed.started_at,
    )


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
