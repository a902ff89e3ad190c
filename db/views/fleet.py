"""What workers did over time: their counters, cut into equal pieces of a span."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from db.domain.jobs import WorkerInfo
from db.domain.states import JobAction
from db.schema import queue
from db.store._workers import to_worker
from db.views._time import epoch, moment

samples, workers, events = queue.worker_samples, queue.workers, queue.events


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time in equal pieces."""

    #: Its beginning.
    since: datetime
    #: Its end.
    until: datetime
    #: How many pieces.
    pieces: int

    @property
    def width(self) -> float:
        """Seconds of a piece."""
        return (self.until - self.since).total_seconds() / self.pieces

    def start(self, piece: int) -> datetime:
        """When a piece begins."""
        return self.since + timedelta(seconds=piece * self.width)


@dataclass(frozen=True, slots=True)
class Piece:
    """What a worker did in one piece of a span."""

    #: Which one, from 0 on.
    index: int
    #: Candidates measured, failed ones included.
    measured: float
    #: Of them without a latency.
    failed: float
    #: Seconds in which it built.
    build_s: float
    #: Seconds in which its core measured, compared or was calibrated.
    busy_s: float
    #: Speed of its core at the last calibration.
    fma_gflops: float | None


#: What is counted of a worker, and of which counters that is the sum; see `Piece`.
_COUNTED = (
    ("measured",),
    ("failed",),
    ("build_s",),
    ("measure_s", "validate_s", "calibrate_s"),
)


def serving(connection: sa.Connection, span: Span) -> list[str]:
    """Workers that gave a sign of life in a span, those seen last first."""
    query = (
        sa.select(workers.c.id)
        .where(
            workers.c.seen_at >= moment(span.since),
            workers.c.started_at <= moment(span.until),
        )
        .order_by(workers.c.seen_at.desc(), workers.c.id)
    )
    return list(connection.execute(query).scalars())


def workers_of(connection: sa.Connection, ids: Sequence[str]) -> dict[str, WorkerInfo]:
    """Workers by their ids."""
    query = sa.select(workers).where(workers.c.id.in_(list(ids)))
    return {row.id: to_worker(row) for row in connection.execute(query).all()}


def seen_since(connection: sa.Connection, at: datetime) -> list[WorkerInfo]:
    """Workers that serve, and gave a sign of life since a moment."""
    query = sa.select(workers).where(workers.c.gone_at.is_(None), workers.c.seen_at > moment(at))
    return [to_worker(row) for row in connection.execute(query).all()]


def lifetime(connection: sa.Connection, hours: float) -> tuple[datetime, datetime] | None:
    """When the last worker was seen, and when the first of those of the hours before started."""
    last = connection.execute(sa.select(sa.func.max(workers.c.seen_at))).scalar()
    if last is None:
        return None
    since = moment(last - timedelta(hours=hours))
    first = sa.select(sa.func.min(workers.c.started_at)).where(workers.c.seen_at >= since)
    started = connection.execute(first).scalar()
    return max(last - timedelta(hours=hours), started or last), last


def work(connection: sa.Connection, span: Span, of: Sequence[str]) -> dict[str, list[Piece]]:
    """What workers did in each piece of a span; pieces in which nothing is known are left out.

    Counters are told now and then; what happened between two of them is spread evenly.
    """
    start = span.since.timestamp()
    piece = sa.cast(sa.func.floor((epoch(samples.c.at) - start) / span.width), sa.Integer)
    query = (
        sa.select(
            samples.c.worker_id,
            sa.func.max(epoch(samples.c.at)).label("at"),
            # They only grow, and so do their sums.
            *(sa.func.max(_summed(names)) for names in _COUNTED),
            sa.func.max(samples.c.fma_gflops).label("fma_gflops"),
        )
        .where(
            samples.c.worker_id.in_(list(of)),
            samples.c.at >= moment(span.since - timedelta(seconds=120)),
            samples.c.at <= moment(span.until),
        )
        .group_by(samples.c.worker_id, piece.label("piece"))
    )
    told: dict[str, list[tuple[float, list[float], float | None]]] = defaultdict(list)
    for id_, at, *counters, speed in connection.execute(query).all():
        told[id_].append((at, list(counters), speed))
    born = sa.select(workers.c.id, workers.c.started_at, workers.c.seen_at, workers.c.stats).where(
        workers.c.id.in_(list(of))
    )
    for id_, started_at, seen_at, stats in connection.execute(born).all():
        # It began with nothing done, and its row holds what it told last.
        told[id_].append((started_at.timestamp(), [0.0] * len(_COUNTED), None))
        if stats:
            last = [sum(float(stats.get(name, 0.0)) for name in names) for names in _COUNTED]
            told[id_].append((seen_at.timestamp(), last, stats.get("fma_gflops")))
    return {id_: _pieces(span, points) for id_, points in told.items()}


def _summed(names: Sequence[str]) -> sa.ColumnElement[float]:
    first, *others = (samples.c[name] for name in names)
    return sum(others, start=first)


def losses(connection: sa.Connection, span: Span) -> list[tuple[str, datetime]]:
    """Workers whose jobs were lost in a span, and when; the last thousand."""
    query = (
        sa.select(events.c.worker, events.c.at)
        .where(queue.SETBACKS, events.c.action == str(JobAction.LOSE))
        .order_by(events.c.id.desc())
        .limit(1000)
    )
    return [
        (worker, at)
        for worker, at in connection.execute(query).all()
        if worker is not None and span.since <= at <= span.until
    ]


def total(span: Span, pieces: Iterable[Sequence[Piece]]) -> list[Piece]:
    """The same of several workers together, every piece present."""
    sums = [[0.0, 0.0, 0.0, 0.0] for _ in range(span.pieces)]
    for one in pieces:
        for piece in one:
            into = sums[piece.index]
            into[0] += piece.measured
            into[1] += piece.failed
            into[2] += piece.build_s
            into[3] += piece.busy_s
    return [Piece(i, m, f, b, u, None) for i, (m, f, b, u) in enumerate(sums)]


def _pieces(span: Span, points: list[tuple[float, list[float], float | None]]) -> list[Piece]:
    points.sort(key=lambda point: point[0])
    start, width = span.since.timestamp(), span.width
    # In arrays: there are thousands of pieces.
    edges = start + width * np.arange(span.pieces + 1)
    at = np.array([t for t, _, _ in points])
    grown = np.maximum(np.diff([counters for _, counters, _ in points], axis=0, prepend=0.0), 0.0)
    sums = [np.diff(np.interp(edges, at, counter)) for counter in np.cumsum(grown, axis=0).T]
    measured, failed, build, busy = (of.tolist() for of in sums)
    speeds: dict[int, float | None] = {}
    for (t0, _, _), (t1, _, speed) in itertools.pairwise(points):
        # A piece that ends as this begins, or begins as this ends, has no part of it.
        first, last = math.floor((t0 - start) / width), math.ceil((t1 - start) / width)
        for index in range(max(0, first), min(span.pieces, last)):
            speeds[index] = speed if speed is not None else speeds.get(index)
    return [
        Piece(i, measured[i], failed[i], min(build[i], width), min(busy[i], width), speeds[i])
        for i in sorted(speeds)
    ]
