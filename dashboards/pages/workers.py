"""Workers: what their slots did over time, whether their cores drift, how often they fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query

from dashboards.charts import Lane, sparkline, timeline_chart
from dashboards.pages.base import Context, Page
from dashboards.pages.tonight import SILENT_S
from dashboards.text import clock_time
from db import WorkerInfo
from db.schema import queue
from db.views._time import clock
from db.views.fleet import Piece, Span, lifetime, losses, serving, work, workers_of

#: Slots on one page.
PER_PAGE = 40
_PIECES = 90
#: A span is never shorter: pieces of less than a second would show nothing.
_SHORTEST = timedelta(seconds=_PIECES)


@dataclass(frozen=True, slots=True)
class WorkersParams:
    """Which span, and which of its workers."""

    #: Hours that are shown, up to the last sign of life of any worker.
    hours: Annotated[int, Query(ge=1, le=168)] = 8
    #: Page, from 1 on.
    page: Annotated[int, Query(ge=1, le=10_000)] = 1


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker that gave a sign of life in the span."""

    #: A fresh UUID per process.
    id: str
    #: Host it runs on.
    host: str
    #: CPU architecture it measures on.
    arch: str
    #: CPU model name.
    cpu: str
    #: ``busy``, ``idle``, ``draining``, ``silent`` or ``gone``.
    state: str
    #: Why it left or is to leave.
    reason: str
    #: Job it holds.
    job: int | None
    #: When it registered.
    started_at: datetime | None
    #: Its last heartbeat.
    seen_at: datetime | None
    #: Candidates it measured, failed ones included.
    measured: float
    #: Of them without a latency.
    failed: float
    #: Share of its time in which its core measured.
    utilisation: float | None
    #: GFLOP/s of its core at the last calibration.
    fma_gflops: float | None
    #: The same over the best of the span: below 1 the core became slower.
    drift: float | None
    #: What it did, piece by piece.
    pieces: Sequence[Piece]
    #: When its jobs were lost.
    lost_at: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers over a span."""

    #: This moment, by the database's clock.
    at: datetime
    #: The span, and its pieces.
    span: Span
    #: Page, from 1 on.
    page: int
    #: Workers of the span on all pages.
    total: int
    #: The workers, those seen last first.
    workers: Sequence[WorkerRow]


def _read(context: Context, params: WorkersParams) -> Workers:
    def body(connection: sa.Connection) -> Workers:
        now = clock(connection)
        first, last = lifetime(connection, params.hours) or (now, now)
        until = min(now, last + timedelta(seconds=SILENT_S))
        # A fleet that is younger than the span fills it.
        since = min(max(first, until - timedelta(hours=params.hours)), until - _SHORTEST)
        span = Span(since, until, _PIECES)
        ids = serving(connection, span)
        shown = ids[(params.page - 1) * PER_PAGE : params.page * PER_PAGE]
        known = workers_of(connection, shown)
        pieces = work(connection, span, shown)
        lost: dict[str, list[datetime]] = {}
        for id_, at in losses(connection, span):
            lost.setdefault(id_, []).append(at)
        holders = _holders(connection)
        rows = [
            _row(known[id_], pieces.get(id_, []), lost.get(id_, []), holders.get(id_), now)
            for id_ in shown
        ]
        return Workers(now, span, params.page, len(ids), rows)

    return context.source.read(body)


def _holders(connection: sa.Connection) -> dict[str, int]:
    query = sa.select(queue.jobs.c.worker, queue.jobs.c.id).where(queue.RUNNING)
    return {worker: id_ for worker, id_ in connection.execute(query) if worker is not None}


def _row(
    worker: WorkerInfo,
    pieces: Sequence[Piece],
    lost: Sequence[datetime],
    job: int | None,
    now: datetime,
) -> WorkerRow:
    speeds = [p.fma_gflops for p in pieces if p.fma_gflops is not None]
    speed = worker.stats.get("fma_gflops")
    silent = worker.seen_at is not None and (now - worker.seen_at).total_seconds() > SILENT_S
    if worker.gone_at is not None:
        state = "gone"
    elif silent:
        state = "silent"
    elif worker.drain_reason is not None:
        state = "draining"
    else:
        state = "idle" if job is None else "busy"
    return WorkerRow(
        id=worker.id,
        host=worker.host,
        arch=worker.arch,
        cpu=worker.cpu,
        state=state,
        reason=worker.gone_reason or worker.drain_reason or "",
        job=job,
        started_at=worker.started_at,
        seen_at=worker.seen_at,
        measured=worker.stats.get("measured", 0.0),
        failed=worker.stats.get("failed", 0.0),
        utilisation=worker.stats.get("utilisation"),
        fma_gflops=speed,
        drift=speed / max(speeds) if speed is not None and speeds else None,
        pieces=pieces,
        lost_at=lost,
    )


def _draw(page: Workers, params: WorkersParams) -> Mapping[str, Any]:
    span = page.span
    lanes = [_lane(worker, span) for worker in page.workers]
    secs = span.width * span.pieces
    return {
        "timeline": timeline_chart(
            lanes,
            "What each slot did over time: measuring, building, idle, lost",
            lambda share: clock_time(span.since + timedelta(seconds=share * secs), secs),
        ),
        "speeds": {
            w.id: sparkline(
                [p.fma_gflops for p in w.pieces if p.fma_gflops is not None],
                "speed of the core over time",
            )
            for w in page.workers
        },
        "pages": -(-page.total // PER_PAGE),
    }


def _lane(worker: WorkerRow, span: Span) -> Lane:
    pieces: list[tuple[float, float] | None] = [None] * span.pieces
    for piece in worker.pieces:
        pieces[piece.index] = (piece.busy_s / span.width, piece.build_s / span.width)
    silent = worker.seen_at if worker.state == "silent" else None
    return Lane(
        name=f"{worker.host[:6]} {worker.id[:6]}",
        pieces=pieces,
        lost=[_place(at, span) for at in worker.lost_at],
        silent_from=None if silent is None else _place(silent, span),
    )


def _place(at: datetime, span: Span) -> float:
    share = (at - span.since).total_seconds() / (span.width * span.pieces)
    return min(max(share, 0.0), 1.0)


WORKERS = Page(
    name="workers",
    path="/workers",
    title="Workers",
    about="Workers over a span: their slots, the drift of their cores, their failures.",
    params=WorkersParams,
    data=Workers,
    read=_read,
    draw=_draw,
    live=("summary", "timeline", "list"),
)
