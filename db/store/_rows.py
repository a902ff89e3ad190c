"""Jobs and events as rows and as dataclasses."""

from __future__ import annotations

import sqlalchemy as sa

from db.domain.jobs import Event, Job
from db.domain.states import JobAction, JobState
from db.schema import catalog, queue
from db.store._part import Row, Select


def of_jobs(jobs: sa.FromClause) -> Select:
    """Everything of some jobs, with what their workers need to know of campaign and model.

    Parameters
    ----------
    jobs
        The table of jobs, or a query with its columns.
    """
    versions, campaigns = catalog.model_versions, queue.campaigns
    return (
        sa.select(
            jobs,
            catalog.models.c.name.label("model"),
            versions.c.source,
            catalog.cpu_archs.c.name.label("arch"),
            campaigns.c.strategy,
            sa.func.coalesce(jobs.c.trials, campaigns.c.trials).label("job_trials"),
            sa.func.coalesce(jobs.c.seconds, campaigns.c.seconds).label("job_seconds"),
            campaigns.c.searcher,
            campaigns.c.seed,
            campaigns.c.ends_at,
        )
        .select_from(jobs)
        .join(campaigns, campaigns.c.id == jobs.c.campaign_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == jobs.c.arch_id)
        .join(versions, versions.c.id == jobs.c.model_version_id)
        .join(catalog.models, catalog.models.c.id == versions.c.model_id)
    )


job_query = of_jobs(queue.jobs)


def to_job(row: Row) -> Job:
    """Job of a row of `job_query`."""
    return Job(
        id=row.id,
        campaign_id=row.campaign_id,
        model_version=row.model_version_id,
        model=row.model,
        source=row.source,
        arch=row.arch,
        bucket=row.bucket,
        state=JobState(row.state),
        attempt=row.attempt,
        priority=row.priority,
        reason=row.reason,
        strategy=row.strategy,
        trials=row.job_trials,
        seconds=row.job_seconds,
        searcher=row.searcher,
        seed=row.seed,
        ends_at=row.ends_at,
        failures=row.failures,
        worker=row.worker,
        not_before=row.not_before,
        lease_expires_at=row.lease_expires_at,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def to_event(row: Row) -> Event:
    """Event of a row of the events table."""
    return Event(
        id=row.id,
        job_id=row.job_id,
        at=row.at,
        action=JobAction(row.action),
        before=JobState(row.before) if row.before is not None else None,
        after=JobState(row.after),
        attempt=row.attempt,
        worker=row.worker,
        reason=row.reason,
    )


def tasks_of_jobs() -> sa.ColumnElement[bool]:
    """Joins jobs with the tasks of what they tune."""
    jobs, tasks = queue.jobs, catalog.tasks
    return sa.and_(
        tasks.c.model_version_id == jobs.c.model_version_id,
        tasks.c.arch_id == jobs.c.arch_id,
        tasks.c.bucket == jobs.c.bucket,
    )
