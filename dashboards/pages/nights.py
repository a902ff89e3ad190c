"""Nights: a table of campaigns, one of them, and two moments compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query

from dashboards.pages.base import Context, Page
from db import CampaignProgress, Toolchain
from db.views._time import clock
from db.views.changes import NOISE, Shift, Shifts, shifts, spreads
from db.views.nights import MissedJob, held_secs, night

#: Nights on one page.
PER_PAGE = 30
#: Changes that are shown of each kind; the others are counted.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class NightsParams:
    """Which nights."""

    #: Page, from 1 on; the first holds the newest.
    page: Annotated[int, Query(ge=1, le=10_000)] = 1


@dataclass(frozen=True, slots=True)
class NightRow:
    """One campaign."""

    #: Identifier.
    id: int
    #: Name for people.
    name: str
    #: ``running``, ``done``, ``failed`` or ``cancelled``.
    state: str
    #: Search strategy.
    strategy: str
    #: When it was created.
    started_at: datetime
    #: When its last job became final.
    finished_at: datetime | None
    #: Jobs.
    jobs: int
    #: Of them done.
    done: int
    #: Of them failed or quarantined.
    failed_jobs: int
    #: Candidates measured.
    measured: int
    #: Of them without a latency.
    failed: int
    #: Hours that measuring slots held its jobs.
    slot_hours: float


@dataclass(frozen=True, slots=True)
class Nights:
    """Campaigns, the newest first."""

    #: Page, from 1 on.
    page: int
    #: Whether there are older ones.
    more: bool
    #: The campaigns.
    nights: Sequence[NightRow]


@dataclass(frozen=True, slots=True)
class NightParams:
    """Which night."""

    #: Its number.
    campaign: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed, counted, and the most notable of each kind."""

    #: Differences of less than this share are noise.
    noise: float
    #: Workloads that became slower, or lost their record; the worst first.
    regressed: Sequence[Shift]
    #: Workloads that became faster; the greatest gain first.
    improved: Sequence[Shift]
    #: Workloads that have a record now and had none.
    covered: Sequence[Shift]
    #: Counts of all three, and of changes within noise.
    counts: Mapping[str, int]
    #: Interquartile range over median of the present records, by ``workload/arch``.
    spreads: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class NightPage:
    """One campaign: what it changed, what it missed, what it cost."""

    #: The campaign.
    night: NightRow
    #: Failed candidates by kind.
    errors: Mapping[str, int]
    #: Jobs by state.
    jobs: Mapping[str, int]
    #: Why its jobs are held back.
    paused: str | None
    #: Hours from its creation to its end, or to now.
    hours: float
    #: What it changed.
    changes: Changes
    #: Jobs that ended without being done, the first of them.
    missed: Sequence[MissedJob]


@dataclass(frozen=True, slots=True)
class CompareParams:
    """Which two nights."""

    #: Number of the campaign whose end is the first moment.
    before: Annotated[int, Query()]
    #: Number of the campaign whose end is the second moment.
    after: Annotated[int, Query()]
    #: Only records of this toolchain (key) at the first moment.
    toolchain_before: Annotated[str | None, Query()] = None
    #: Only records of this toolchain (key) at the second moment.
    toolchain_after: Annotated[str | None, Query()] = None


@dataclass(frozen=True, slots=True)
class Compared:
    """Two nights side by side, as of their ends."""

    #: The first.
    before: NightRow
    #: The second.
    after: NightRow
    #: What changed in between.
    changes: Changes
    #: Toolchains to choose from, the newest first.
    toolchains: Sequence[Toolchain]


def row_of(campaign: CampaignProgress, held: float) -> NightRow:
    """A campaign as a row."""
    jobs = {str(state): number for state, number in campaign.jobs.items()}
    return NightRow(
        id=campaign.campaign_id,
        name=campaign.name,
        state="paused" if campaign.paused_reason is not None else str(campaign.state),
        strategy=campaign.strategy,
        started_at=campaign.started_at,
        finished_at=campaign.finished_at,
        jobs=sum(jobs.values()),
        done=jobs["done"],
        failed_jobs=jobs["failed"] + jobs["quarantined"],
        measured=campaign.measurements,
        failed=sum(campaign.errors.values()),
        slot_hours=held / 3600.0,
    )


def _read_all(context: Context, params: NightsParams) -> Nights:
    listed = context.source.store.campaigns(params.page * PER_PAGE + 1)
    shown = listed[(params.page - 1) * PER_PAGE : params.page * PER_PAGE]

    def body(connection: sa.Connection) -> dict[int, float]:
        return held_secs(connection, [c.campaign_id for c in shown], clock(connection))

    held = context.source.read(body)
    return Nights(
        page=params.page,
        more=len(listed) > params.page * PER_PAGE,
        nights=[row_of(c, held[c.campaign_id]) for c in shown],
    )


def read_night(context: Context, params: NightParams) -> NightPage:
    """Read one night."""
    campaign = context.source.store.campaign_progress(params.campaign)

    def body(connection: sa.Connection) -> NightPage:
        found = night(connection, campaign)
        return NightPage(
            night=row_of(campaign, found.slot_hours * 3600.0),
            errors=campaign.errors,
            jobs={str(state): number for state, number in campaign.jobs.items()},
            paused=campaign.paused_reason,
            hours=found.hours,
            changes=_changes(connection, found.shifts),
            missed=found.missed,
        )

    return context.source.read(body)


def _compare(context: Context, params: CompareParams) -> Compared:
    store = context.source.store
    before, after = (store.campaign_progress(number) for number in (params.before, params.after))
    toolchains = store.toolchains()

    def body(connection: sa.Connection) -> Compared:
        now = clock(connection)
        ends = [c.finished_at or now for c in (before, after)]
        found = shifts(
            connection,
            *ends,
            most=SHOWN,
            toolchain_before=params.toolchain_before,
            toolchain_after=params.toolchain_after,
        )
        held = held_secs(connection, [params.before, params.after], now)
        return Compared(
            before=row_of(before, held[params.before]),
            after=row_of(after, held[params.after]),
            changes=_changes(connection, found),
            toolchains=toolchains,
        )

    return context.source.read(body)


def _changes(connection: sa.Connection, found: Shifts) -> Changes:
    shown = [*found.regressed, *found.improved]
    return Changes(
        noise=NOISE,
        regressed=found.regressed,
        improved=found.improved,
        covered=found.covered,
        counts=found.counts,
        spreads={f"{d}/{a}": spread for (d, a), spread in spreads(connection, shown).items()},
    )


def _nothing(page: object, params: object) -> Mapping[str, Any]:
    return {}


NIGHTS = Page(
    name="nights",
    path="/nights",
    title="Nights",
    about="Campaigns, the newest first.",
    params=NightsParams,
    data=Nights,
    read=_read_all,
    draw=_nothing,
)

NIGHT = Page(
    name="night",
    path="/nights/{campaign}",
    title="Night",
    about="One campaign: what it changed, what it missed, what it cost.",
    params=NightParams,
    data=NightPage,
    read=read_night,
    draw=_nothing,
    live=("summary", "changes"),
    section="nights",
)

COMPARE = Page(
    name="compare",
    path="/compare",
    title="Two nights",
    about="Best records as of the ends of two nights; regressions first.",
    params=CompareParams,
    data=Compared,
    read=_compare,
    draw=_nothing,
    section="nights",
)
