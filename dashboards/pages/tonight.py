"""Tonight: what runs, how fast, how long yet, and what it has won."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dashboards.charts import Series, line_chart
from dashboards.pages.base import Context, NoParams, Page
from dashboards.pages.gains import ModelGain, latest_gains
from dashboards.text import clock_time, plural
from db import CampaignProgress, CampaignState, JobState, WorkerInfo
from db.views._time import clock
from db.views.changes import Shift, shifts
from db.views.fleet import Piece, Span, seen_since, serving, total, work
from db.views.kernels import traffic
from db.views.nights import current
from db.views.outlook import Outlook, outlook

#: Campaigns that are shown, of those that run; others are on the page of nights.
_CAMPAIGNS = 10
#: Seconds without a heartbeat after which a worker does not count as serving.
SILENT_S = 60.0
#: Changes that are shown; the others are counted.
_SHOWN = 8
#: Pieces of the span that the rates are drawn over.
_PIECES = 60
#: Seconds for which slow-moving parts are remembered.
_CHANGES_S = 10.0


@dataclass(frozen=True, slots=True)
class CampaignNow:
    """A campaign that runs, or the one that ended last."""

    #: Identifier.
    id: int
    #: Name for people.
    name: str
    #: ``running``, ``done``, ``failed`` or ``cancelled``.
    state: str
    #: Search strategy.
    strategy: str
    #: Jobs by state; every state is present.
    jobs: Mapping[str, int]
    #: Candidates measured, failed ones included.
    measured: int
    #: Failed candidates by kind; only kinds that occurred.
    errors: Mapping[str, int]
    #: When it was created.
    started_at: datetime
    #: When its last job became final.
    finished_at: datetime | None
    #: Why its jobs are held back; ``None`` if they are not.
    paused: str | None
    #: Why jobs wait, as the scheduler says it; empty if it says nothing.
    waiting: str
    #: When it is expected to end.
    outlook: Outlook


@dataclass(frozen=True, slots=True)
class Since:
    """What changed since a moment."""

    #: The moment.
    since: datetime
    #: Workloads that became faster.
    improved: int
    #: Workloads that became slower, or lost their record.
    regressed: int
    #: Workloads that have a record now and had none.
    covered: int
    #: The worst regressions and the greatest gains.
    notable: Sequence[Shift]


@dataclass(frozen=True, slots=True)
class Flow:
    """Rates over time, of the whole fleet."""

    #: Seconds since 1970, the middle of each piece.
    at: Sequence[float]
    #: Candidates per second.
    measured: Sequence[float]
    #: Candidates without a latency, per second.
    failed: Sequence[float]
    #: Slots whose core measured, on average.
    busy: Sequence[float]


@dataclass(frozen=True, slots=True)
class Tonight:
    """The fleet at this moment."""

    #: This moment, by the database's clock.
    at: datetime
    #: What is going on, in a sentence or two.
    situation: str
    #: A command that would help; empty if none is needed.
    advice: str
    #: Campaigns that run; the one that ended last if none does.
    campaigns: Sequence[CampaignNow]
    #: Candidates per second lately; ``None`` if that is not known yet.
    trials_per_s: float | None
    #: Measuring slots that serve.
    slots: int
    #: Of them holding a job.
    slots_busy: int
    #: Rates over time.
    flow: Flow
    #: What changed in the last 24 hours.
    yesterday: Since
    #: What tuning wins, by model and CPU architecture.
    gains: Sequence[ModelGain]


def _read(context: Context, params: NoParams) -> Tonight:
    now, shown, campaigns, flow, alive, holders, shares = context.source.read(_at_once)
    busy = sum(w.slots for w in alive if w.id in holders)
    running = [c for c in shown if c.state is CampaignState.RUNNING]
    situation, advice = situation_of(shown, campaigns, alive, bool(shares))
    return Tonight(
        at=now,
        situation=situation,
        advice=advice,
        campaigns=campaigns,
        trials_per_s=_rate(context, flow, bool(running)),
        slots=sum(w.slots for w in alive),
        slots_busy=busy,
        flow=flow,
        yesterday=context.cache.get("since", _CHANGES_S, lambda: context.source.read(_since)),
        gains=latest_gains(context, shares),
    )


def _at_once(connection: sa.Connection) -> tuple[Any, ...]:
    """What is read at one moment."""
    now = clock(connection)
    shown = current(connection, _CAMPAIGNS)
    told = [_campaign(connection, campaign) for campaign in shown]
    flow = _flow(connection, now, shown)
    alive = seen_since(connection, now - timedelta(seconds=SILENT_S))
    return now, shown, told, flow, alive, _busy(connection), traffic(connection)


def situation_of(
    campaigns: Sequence[CampaignProgress],
    shown: Sequence[CampaignNow],
    alive: Sequence[WorkerInfo],
    models: bool,
) -> tuple[str, str]:
    """What is going on, and a command that would help."""
    if not campaigns:
        if not models:
            return (
                "The database is empty: no model was added yet.",
                "tunefleet models add MODEL.pt2",
            )
        return "There are models, and no campaign yet.", "tunefleet tune MODEL"
    running = [c for c in campaigns if c.state is CampaignState.RUNNING]
    if not running:
        last = campaigns[0]
        return f"Nothing runs. The last campaign, {last.name}, is {last.state}.", ""
    paused = [c for c in shown if c.paused is not None]
    if len(paused) == len(running):
        return (
            f"{_campaigns(len(running))} paused: {paused[0].paused}",
            f"tunefleet campaign resume {paused[0].id}",
        )
    waiting = sum(c.jobs[JobState.QUEUED] + c.jobs[JobState.LOST] for c in running)
    jobs = "1 job waits" if waiting == 1 else f"{waiting} jobs wait"
    if not alive and not any(c.jobs[JobState.RUNNING] for c in running):
        reason = next((f" {c.waiting}." for c in shown if c.waiting), "")
        return (
            f"No worker serves, so nothing happens: {jobs}.{reason}",
            "tunefleet nightly run, or the command that created the campaign, again",
        )
    going = f"{_campaigns(len(running))} running"
    if not alive:
        return f"{going}, and no worker was heard of for {SILENT_S:.0f} s; {jobs}.", ""
    return f"{going} on {plural(sum(w.slots for w in alive), 'slot')}; {jobs}.", ""


def _campaigns(number: int) -> str:
    return "1 campaign is" if number == 1 else f"{number} campaigns are"


def _busy(connection: sa.Connection) -> set[str]:
    from db.schema import queue

    query = sa.select(queue.jobs.c.worker).where(queue.RUNNING)
    return {worker for worker in connection.execute(query).scalars() if worker is not None}


def _campaign(connection: sa.Connection, campaign: CampaignProgress) -> CampaignNow:
    from db.schema import queue

    why = (
        sa.select(queue.jobs.c.reason)
        .where(
            queue.jobs.c.campaign_id == campaign.campaign_id,
            queue.CLAIMABLE,
            queue.jobs.c.reason != "",
        )
        .limit(1)
    )
    return CampaignNow(
        id=campaign.campaign_id,
        name=campaign.name,
        state=str(campaign.state),
        strategy=campaign.strategy,
        jobs={str(state): number for state, number in campaign.jobs.items()},
        measured=campaign.measurements,
        errors=campaign.errors,
        started_at=campaign.started_at,
        finished_at=campaign.finished_at,
        paused=campaign.paused_reason,
        waiting=connection.execute(why).scalar() or "",
        outlook=outlook(connection, campaign),
    )


def _flow(connection: sa.Connection, now: datetime, shown: Sequence[CampaignProgress]) -> Flow:
    """Rates since the oldest campaign that is shown began, within a day."""
    starts = [c.started_at for c in shown] or [now - timedelta(hours=1)]
    ends = [c.finished_at or now for c in shown] or [now]
    until = max(ends)
    since = max(min(starts), until - timedelta(days=1))
    span = Span(since, max(until, since + timedelta(seconds=30)), _PIECES)
    pieces: list[Piece] = total(span, work(connection, span, serving(connection, span)).values())
    return Flow(
        at=[span.start(p.index).timestamp() + span.width / 2 for p in pieces],
        measured=[p.measured / span.width for p in pieces],
        failed=[p.failed / span.width for p in pieces],
        busy=[p.busy_s / span.width for p in pieces],
    )


def _rate(context: Context, flow: Flow, running: bool) -> float | None:
    if not running:
        return 0.0
    lately = context.rates.per_second
    return lately if lately is not None else (flow.measured[-1] if flow.measured else None)


def _since(connection: sa.Connection) -> Since:
    now = clock(connection)
    since = now - timedelta(days=1)
    found = shifts(connection, since, now, most=_SHOWN)
    regressed = found.regressed[: _SHOWN // 2]
    return Since(
        since=since,
        improved=found.counts["improved"],
        regressed=found.counts["regressed"],
        covered=found.counts["covered"],
        notable=[*regressed, *found.improved[: _SHOWN - len(regressed)]],
    )


def _draw(tonight: Tonight, params: NoParams) -> Mapping[str, Any]:
    flow = tonight.flow
    kinds = Counter[str]()
    for campaign in tonight.campaigns:
        kinds.update(campaign.errors)
    rates = [
        Series("trials/s", list(zip(flow.at, flow.measured, strict=True))),
        Series("failed/s", list(zip(flow.at, flow.failed, strict=True))),
    ]
    return {
        "kinds": kinds.most_common(),
        "measured": sum(c.measured for c in tonight.campaigns),
        "rates": _over_time(rates, "candidates per second"),
        "busy": _over_time(
            [Series("slots measuring", list(zip(flow.at, flow.busy, strict=True)))], "slots"
        ),
    }


def _over_time(series: Sequence[Series], y_label: str) -> Mapping[str, Any]:
    """A chart, and the same for the script that lets people look closer."""
    xs = [x for x, _ in series[0].points]
    span_s = max(xs, default=0.0) - min(xs, default=0.0)
    return {
        "label": y_label,
        "names": [one.name for one in series],
        "data": [
            [round(x, 1) for x in xs],
            *([round(y, 4) for _, y in one.points] for one in series),
        ],
        "svg": line_chart(
            series,
            f"{y_label} over time",
            x_label="time (UTC)",
            y_label=y_label,
            x_text=lambda at: clock_time(datetime.fromtimestamp(at, UTC), span_s),
        ),
    }


TONIGHT = Page(
    name="tonight",
    path="/tonight",
    title="Tonight",
    about="The fleet at this moment: campaigns, rates, slots, time left, what changed, gains.",
    params=NoParams,
    data=Tonight,
    read=_read,
    draw=_draw,
    live=("situation", "figures", "campaigns", "charts", "changes", "gains"),
)
