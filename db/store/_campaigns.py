"""Campaigns: created, found again, cancelled; schedules that bring them back."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from db.domain.jobs import CampaignSpec, JobSpec, Schedule
from db.domain.states import FINAL_STATES, JobAction, JobState
from db.errors import NotFound
from db.schema import catalog, queue
from db.schema.clock import after, now
from db.store._moves import jobs, locked, move
from db.store._part import Part

campaigns = queue.campaigns
events = queue.events
schedules = queue.schedules

_FINAL = tuple(str(state) for state in FINAL_STATES)


class Campaigns(Part):
    """What one night is asked to do."""

    def create_campaign(self, spec: CampaignSpec, jobs: Iterable[JobSpec]) -> int:
        wanted = list(jobs)
        # Run again after a commit whose answer was lost, it is found by its key.
        spec = replace(spec, key=spec.key or uuid.uuid4().hex)

        def body(connection: sa.Connection) -> int:
            arch_ids = self._archs.require(connection, {job.arch for job in wanted})
            campaign_id, fresh = self._insert_campaign(connection, spec)
            if fresh and wanted:
                self._insert_jobs(connection, campaign_id, wanted, arch_ids)
            return campaign_id

        return self._db.write(body)

    def find_campaign(
        self, model_version: int, archs: Sequence[str], buckets: Sequence[int], strategy: str
    ) -> int | None:
        exactly = {(model_version, arch, bucket) for arch in archs for bucket in buckets}
        unfinished = (
            sa.select(jobs.c.campaign_id)
            .distinct()
            .join(campaigns)
            .where(
                queue.UNFINISHED,
                jobs.c.model_version_id == model_version,
                campaigns.c.strategy == strategy,
            )
            .order_by(jobs.c.campaign_id.desc())
        )
        members = sa.select(jobs.c.model_version_id, catalog.cpu_archs.c.name, jobs.c.bucket).join(
            catalog.cpu_archs
        )

        def body(connection: sa.Connection) -> int | None:
            for campaign_id in connection.execute(unfinished).scalars().all():
                rows = connection.execute(members.where(jobs.c.campaign_id == campaign_id))
                if {tuple(row) for row in rows} == exactly:
                    return int(campaign_id)
            return None

        return self._db.read(body)

    def cancel_campaign(self, campaign_id: int, reason: str) -> int:
        def body(connection: sa.Connection) -> int:
            _require_campaign(connection, campaign_id)
            rows = connection.execute(
                locked(jobs.c.campaign_id == campaign_id, jobs.c.state.not_in(_FINAL))
            ).all()
            for row in rows:
                move(connection, row, JobAction.CANCEL, reason=reason, token=None)
            return len(rows)

        return self._db.write(body)

    def pause_campaign(self, campaign_id: int, reason: str) -> int:
        def body(connection: sa.Connection) -> int:
            _require_campaign(connection, campaign_id)
            # First: a worker that is cut off below must not get its job back.
            _hold(connection, campaign_id, paused_at=now(), paused_reason=reason)
            rows = connection.execute(locked(queue.RUNNING, jobs.c.campaign_id == campaign_id))
            held = rows.all()
            for row in held:
                move(connection, row, JobAction.RELEASE, reason=reason, token=None)
            return len(held)

        return self._db.write(body)

    def resume_campaign(self, campaign_id: int) -> None:
        def body(connection: sa.Connection) -> None:
            _require_campaign(connection, campaign_id)
            _hold(connection, campaign_id, paused_at=None, paused_reason=None)

        self._db.write(body)

    def find_key(self, key: str) -> int | None:
        query = sa.select(campaigns.c.id).where(campaigns.c.key == key)
        return self._db.read(lambda connection: connection.execute(query).scalar())

    def explain(self, campaign_id: int, arch: str, reason: str) -> int:
        def body(connection: sa.Connection) -> int:
            statement = (
                sa.update(jobs)
                .where(
                    jobs.c.campaign_id == campaign_id,
                    jobs.c.arch_id == self._archs.find_one(connection, arch),
                    queue.CLAIMABLE,
                    jobs.c.reason != reason,
                )
                .values(reason=reason)
            )
            return connection.execute(statement).rowcount

        return self._db.write(body)

    def put_schedule(self, schedule: Schedule) -> None:
        row = {
            "name": schedule.name,
            "due": schedule.when,
            "spec": dict(schedule.spec),
            "enabled": schedule.enabled,
            "changed_at": now(),
        }
        insert = self._db.insert(schedules).values(row)
        upsert = insert.on_conflict_do_update(
            index_elements=["name"],
            set_={name: insert.excluded[name] for name in ("due", "spec", "enabled", "changed_at")},
        )
        self._db.write(lambda connection: connection.execute(upsert))

    def schedules(self) -> list[Schedule]:
        query = sa.select(schedules).order_by(schedules.c.name)
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return [Schedule(row.name, row.due, row.spec, row.enabled, row.changed_at) for row in rows]

    def remove_schedule(self, name: str) -> None:
        statement = sa.delete(schedules).where(schedules.c.name == name).returning(schedules.c.id)
        if self._db.write(lambda connection: connection.execute(statement).first()) is None:
            raise NotFound(f"unknown schedule {name!r}")

    def _insert_campaign(self, connection: sa.Connection, spec: CampaignSpec) -> tuple[int, bool]:
        insert = (
            self._db.insert(campaigns)
            .values(
                key=spec.key,
                name=spec.name,
                strategy=spec.strategy,
                trials=spec.trials,
                seconds=spec.seconds,
                searcher=spec.searcher,
                seed=spec.seed,
                ends_at=None if spec.wall_s is None else after(spec.wall_s),
                max_failures=spec.retry.max_failures,
                backoff_s=spec.retry.backoff_s,
                backoff_max_s=spec.retry.backoff_max_s,
            )
            .on_conflict_do_nothing(index_elements=["key"])
            .returning(campaigns.c.id)
        )
        created = connection.execute(insert).scalar_one_or_none()
        if created is not None:
            return int(created), True
        query = sa.select(campaigns.c.id).where(campaigns.c.key == spec.key)
        return int(connection.execute(query).scalar_one()), False

    def _insert_jobs(
        self,
        connection: sa.Connection,
        campaign_id: int,
        wanted: Sequence[JobSpec],
        arch_ids: dict[str, int],
    ) -> None:
        versions = {job.model_version for job in wanted}
        query = sa.select(catalog.model_versions.c.id)
        missing = versions - set(connection.execute(query).scalars())
        if missing:
            raise NotFound(
                f"unknown model version {min(missing)}; add it with add_model_version first"
            )
        insert = sa.insert(jobs).values(
            campaign_id=campaign_id,
            state=str(JobState.QUEUED),
            attempt=0,
            failures=0,
            reason="",
            not_before=now(),
            created_at=now(),
            updated_at=now(),
            model_version_id=sa.bindparam("model_version_id"),
            arch_id=sa.bindparam("arch_id"),
            bucket=sa.bindparam("bucket"),
            priority=sa.bindparam("priority"),
            trials=sa.bindparam("trials"),
            seconds=sa.bindparam("seconds"),
        )
        connection.execute(
            insert,
            [
                {
                    "model_version_id": job.model_version,
                    "arch_id": arch_ids[job.arch],
                    "bucket": job.bucket,
                    "priority": job.priority,
                    "trials": job.trials,
                    "seconds": job.seconds,
                }
                for job in wanted
            ],
        )
        created = sa.select(
            jobs.c.id,
            now(),
            sa.literal(str(JobAction.CREATE)),
            sa.literal(str(JobState.QUEUED)),
            sa.literal(0),
            sa.literal(""),
        ).where(jobs.c.campaign_id == campaign_id)
        columns = ["job_id", "at", "action", "after", "attempt", "reason"]
        connection.execute(sa.insert(events).from_select(columns, created.order_by(jobs.c.id)))


def _hold(connection: sa.Connection, campaign_id: int, **values: object) -> None:
    connection.execute(sa.update(campaigns).where(campaigns.c.id == campaign_id).values(values))


def _require_campaign(connection: sa.Connection, campaign_id: int) -> None:
    query = sa.select(campaigns.c.id).where(campaigns.c.id == campaign_id)
    if connection.execute(query).first() is None:
        raise NotFound(f"unknown campaign {campaign_id}; list them with `tunefleet status`")
