"""When a campaign will end: from how long its jobs took so far."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import sqlalchemy as sa

from db.domain.jobs import CampaignProgress
from db.domain.states import JobState
from db.schema import queue
from db.views._time import clock, epoch

jobs = queue.jobs

#: Finished jobs that are looked at, the newest.
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Outlook:
    """Seconds until a campaign ends; all ``None`` while nothing tells."""

    #: If its jobs take as long as the typical one.
    typical: float | None
    #: If they take as long as the quick ones (the first quartile).
    least: float | None
    #: If they take as long as the slow ones (the third quartile).
    most: float | None
    #: Slots that work on it.
    slots: int


def outlook(connection: sa.Connection, campaign: CampaignProgress) -> Outlook:
    """Estimate when a campaign ends.

    Every job that is left is taken to last as long as those that are done, less what it has run
    already; as many run at once as do now. Without a finished job its budget stands in, and a
    campaign's own end bounds everything.
    """
    of_campaign = jobs.c.campaign_id == campaign.campaign_id
    lasted = (
        sa.select(epoch(jobs.c.finished_at) - epoch(jobs.c.started_at))
        .where(of_campaign, jobs.c.state == str(JobState.DONE), jobs.c.started_at.is_not(None))
        .order_by(jobs.c.finished_at.desc())
        .limit(_LOOKED_AT)
    )
    done = sorted(float(secs) for secs in connection.execute(lasted).scalars())
    now = clock(connection)
    since = sa.select(jobs.c.started_at).where(of_campaign, jobs.c.state == str(JobState.RUNNING))
    running = [
        (now - at).total_seconds() for at in connection.execute(since).scalars() if at is not None
    ]
    slots = len(running)
    if slots == 0 or not (done or campaign.seconds):
        return Outlook(None, None, None, slots)
    if len(done) >= 2:
        least, typical, most = statistics.quantiles(done, n=4, method="inclusive")
    else:
        least = typical = most = done[0] if done else campaign.seconds or 0.0
    waiting = campaign.unfinished - slots
    end = None if campaign.ends_at is None else (campaign.ends_at - now).total_seconds()

    def left(secs: float) -> float:
        rest = [max(0.0, secs - run) for run in running]
        estimate: float = max(max(rest), (waiting * secs + sum(rest)) / slots)
        return estimate if end is None else max(0.0, min(estimate, end))

    return Outlook(left(typical), left(least), left(most), slots)
