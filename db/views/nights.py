"""One night: what it changed, what it missed, what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from db.domain.jobs import CampaignProgress
from db.domain.states import FINAL_STATES, JobAction, JobState
from db.schema import catalog, queue
from db.store._progress import progress_of
from db.views._time import clock, epoch, moment
from db.views.changes import Shifts, shifts

campaigns, jobs, events = queue.campaigns, queue.jobs, queue.events

#: States of jobs that ended without being done.
_MISSED = tuple(sorted(str(s) for s in FINAL_STATES - {JobState.DONE}))

#: Missed jobs, and changes of each kind, that are named; the others are counted.
_NAMED = 200


@dataclass(frozen=True, slots=True)
class MissedJob:
    """A job that ended without being done."""

    #: Identifier.
    id: int
    #: Name of the model.
    model: str
    #: Name of the CPU architecture.
    arch: str
    #: Batch size.
    bucket: int
    #: How it ended.
    state: str
    #: Why, for people.
    reason: str


@dataclass(frozen=True, slots=True)
class Night:
    """How a campaign went; of one that still runs, how it goes."""

    #: When it ended, or this moment.
    until: datetime
    #: Hours from its creation to then.
    hours: float
    #: Hours that measuring slots held its jobs.
    slot_hours: float
    #: What changed between its creation and its end.
    shifts: Shifts
    #: Jobs that ended without being done, the first of them.
    missed: tuple[MissedJob, ...]


def current(connection: sa.Connection, most: int) -> list[CampaignProgress]:
    """Campaigns that run, at most so many, the newest first; the newest of all if none runs."""
    of_campaign = jobs.c.campaign_id == campaigns.c.id
    runs = sa.exists().where(of_campaign, queue.UNFINISHED).correlate(campaigns)
    newest = sa.select(campaigns).order_by(campaigns.c.id.desc())
    running = progress_of(connection, newest.where(runs).limit(most))
    return running or progress_of(connection, newest.limit(1))


def night(connection: sa.Connection, campaign: CampaignProgress) -> Night:
    """Read how a campaign went."""
    until = campaign.finished_at or clock(connection)
    # A record of the campaign's first moment is one of the campaign.
    since = campaign.started_at - timedelta(milliseconds=1)
    return Night(
        until=until,
        hours=(until - campaign.started_at).total_seconds() / 3600.0,
        slot_hours=held_secs(connection, [campaign.campaign_id], until)[campaign.campaign_id]
        / 3600.0,
        shifts=shifts(connection, since, until, most=_NAMED, campaign=campaign.campaign_id),
        missed=tuple(_missed(connection, campaign.campaign_id)),
    )


def held_secs(
    connection: sa.Connection, campaigns: Sequence[int], until: datetime
) -> dict[int, float]:
    """Seconds that workers held the jobs of each campaign: from each claim to the event after."""
    next_at = sa.func.lead(events.c.at).over(partition_by=events.c.job_id, order_by=events.c.id)
    story = (
        sa.select(
            jobs.c.campaign_id,
            events.c.action,
            events.c.at,
            next_at.label("ended"),
        )
        .join(jobs, jobs.c.id == events.c.job_id)
        .where(jobs.c.campaign_id.in_(list(campaigns)))
        .subquery()
    )
    ended = sa.func.coalesce(epoch(story.c.ended), epoch(moment(until)))
    query = (
        sa.select(story.c.campaign_id, sa.func.sum(ended - epoch(story.c.at)))
        .where(story.c.action == str(JobAction.CLAIM))
        .group_by(story.c.campaign_id)
    )
    found = dict.fromkeys(campaigns, 0.0)
    found.update((id_, max(0.0, float(secs))) for id_, secs in connection.execute(query))
    return found


def _missed(connection: sa.Connection, campaign: int) -> list[MissedJob]:
    query = (
        sa.select(
            jobs.c.id,
            catalog.models.c.name,
            catalog.cpu_archs.c.name,
            jobs.c.bucket,
            jobs.c.state,
            jobs.c.reason,
        )
        .join(catalog.model_versions, catalog.model_versions.c.id == jobs.c.model_version_id)
        .join(catalog.models, catalog.models.c.id == catalog.model_versions.c.model_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == jobs.c.arch_id)
        .where(jobs.c.campaign_id == campaign, jobs.c.state.in_(_MISSED))
        .order_by(jobs.c.id)
        .limit(_NAMED)
    )
    return [MissedJob(*row) for row in connection.execute(query).all()]
