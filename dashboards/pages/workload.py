"""One workload: how its search went, how good it became, and how that can be checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query

from dashboards.charts import (
    Roof,
    RoofPoint,
    Series,
    Strip,
    line_chart,
    roofline_chart,
    strip_chart,
)
from dashboards.pages.base import Context, Page
from dashboards.schedules import difference, knobs
from dashboards.text import latency
from db import Measurement, Toolchain
from db.views.workload import Trial, Use, WorkloadKey, find_workload, keys_of, trials, uses

#: Records that are shown side by side.
_TOP = 5


@dataclass(frozen=True, slots=True)
class WorkloadParams:
    """Which workload, and what of it."""

    #: Its digest, or the first eight digits or more.
    digest: str
    #: CPU architecture; the first that measured it unless given.
    arch: Annotated[str | None, Query()] = None
    #: Key of the toolchain; the newest unless given.
    toolchain: Annotated[str | None, Query()] = None
    #: ``warm`` or ``cold``.
    regime: Annotated[str | None, Query()] = None


@dataclass(frozen=True, slots=True)
class TopRecord:
    """One of the fastest candidates."""

    #: Identity of its measurement.
    uid: str
    #: Identity of the candidate.
    candidate: str
    #: Strategy that proposed it.
    strategy: str
    #: Median seconds per call.
    median: float
    #: Interquartile range over the median.
    spread: float | None
    #: Seconds per call, one per repeat.
    run_secs: Sequence[float]
    #: Knobs of its template; ``None`` for sketches.
    config: Mapping[str, Any] | None
    #: Its MetaSchedule trace.
    trace: str | None
    #: Host it ran on.
    host: str
    #: Speed of that host at that moment.
    calibration: Mapping[str, float]
    #: Command that measures it again.
    command: str


@dataclass(frozen=True, slots=True)
class Crowned:
    """A record that was the best for a while."""

    #: When it became the best.
    at: datetime
    #: Confirmed median seconds per call.
    run_secs: float
    #: Strategy that found it.
    strategy: str
    #: The measurement it rests on.
    measurement: str
    #: When it was rolled back.
    revoked_at: datetime | None
    #: Why it was rolled back.
    revoked_reason: str


@dataclass(frozen=True, slots=True)
class WorkloadPage:
    """A workload with one architecture and toolchain."""

    #: Digest.
    digest: str
    #: Name, for people.
    name: str
    #: Kind of operator.
    op_kind: str
    #: Element type.
    dtype: str
    #: Shapes of its arguments.
    shapes: Any
    #: Operations of one call.
    flops: float
    #: Bytes that one call moves.
    bytes: float
    #: What measured it.
    keys: Sequence[WorkloadKey]
    #: Toolchains of these, the newest first.
    toolchains: Sequence[Toolchain]
    #: The one that is shown; ``None`` if nothing measured it.
    key: WorkloadKey | None
    #: Its measurements, in order.
    trials: Sequence[Trial]
    #: Its fastest candidates.
    top: Sequence[TopRecord]
    #: Its best records so far, in order.
    history: Sequence[Crowned]
    #: Models that use it.
    uses: Sequence[Use]


def _read(context: Context, params: WorkloadParams) -> WorkloadPage:
    def body(connection: sa.Connection) -> tuple[Any, ...]:
        workload = find_workload(connection, params.digest)
        keys = keys_of(connection, workload.digest)
        key = _choose(keys, params)
        seen = [] if key is None else trials(connection, workload.digest, key)
        return workload, keys, key, seen, uses(connection, workload.digest)

    workload, keys, key, seen, used = context.source.read(body)
    known = {key.toolchain for key in keys}
    top: list[Measurement] = []
    history: list[Crowned] = []
    if key is not None:
        store, names = context.source.store, (workload.digest, key.arch, key.toolchain)
        top = store.top_measurements(*names, _TOP, key.regime)
        history = [
            Crowned(
                r.recorded_at,
                r.run_secs,
                r.strategy,
                r.measurement_uid,
                r.revoked_at,
                r.revoked_reason,
            )
            for r in store.history(*names, key.regime)
        ]
    return WorkloadPage(
        digest=workload.digest,
        name=workload.name,
        op_kind=workload.op_kind,
        dtype=workload.dtype,
        shapes=workload.shapes,
        flops=workload.flops,
        bytes=workload.bytes,
        keys=keys,
        toolchains=[t for t in context.source.store.toolchains() if t.key in known],
        key=key,
        trials=seen,
        top=[_top(m) for m in top],
        history=history,
        uses=used,
    )


def _choose(keys: Sequence[WorkloadKey], params: WorkloadParams) -> WorkloadKey | None:
    """The key asked for; of what was not asked for, the first: the newest toolchain, warm."""
    wanted = (params.arch, params.toolchain, params.regime)
    for key in keys:
        has = (key.arch, key.toolchain, key.regime)
        if all(want is None or want == found for want, found in zip(wanted, has, strict=True)):
            return key
    return None


def _top(m: Measurement) -> TopRecord:
    median, spread = m.summary()
    assert median is not None
    return TopRecord(
        uid=m.uid,
        candidate=m.candidate,
        strategy=m.strategy,
        median=median,
        spread=spread,
        run_secs=m.run_secs,
        config=m.config,
        trace=m.trace,
        host=m.host,
        calibration=m.calibration,
        command=f"tunefleet measure {m.uid}",
    )


def best_so_far(seen: Sequence[Trial]) -> dict[str, list[tuple[float, float]]]:
    """By strategy: its fastest latency so far, over how many of its candidates were measured."""
    curves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    counts = defaultdict[str, int](int)
    for trial in seen:
        counts[trial.strategy] += 1
        curve = curves[trial.strategy]
        if trial.median is not None and (not curve or trial.median < curve[-1][1]):
            curve.append((counts[trial.strategy], trial.median))
    for strategy, curve in curves.items():
        if curve and curve[-1][0] < counts[strategy]:
            curve.append((counts[strategy], curve[-1][1]))
    return {strategy: curve for strategy, curve in curves.items() if curve}


def _draw(page: WorkloadPage, params: WorkloadParams) -> Mapping[str, Any]:
    first = page.top[0] if page.top else None
    curves = best_so_far(page.trials)
    medians = [t.median for t in page.trials if t.median is not None]
    drawn: dict[str, Any] = {
        "failed": sum(t.error_kind is not None for t in page.trials),
        "knobs": knobs([r.config for r in page.top]),
        "slowest": max(medians, default=None),
        "differences": [
            (number, record, *difference(first.trace, record.trace))
            for number, record in enumerate(page.top[1:], 2)
        ]
        if first is not None
        else [],
    }
    if curves:
        drawn["convergence"] = line_chart(
            [Series(name, curve, steps=True) for name, curve in sorted(curves.items())],
            "Best latency so far, over candidates, per strategy",
            x_label="candidates measured",
            x_whole=True,
            y_label="best latency",
            y_text=latency,
            y_log=True,
        )
    if first is not None:
        drawn["strips"] = strip_chart(
            [Strip(f"#{n}", r.run_secs, r.median) for n, r in enumerate(page.top, 1)],
            "Seconds per call of every repeat of the fastest candidates",
        )
        drawn["roofline"] = _roofline(page, first)
    return drawn


def _roofline(page: WorkloadPage, first: TopRecord) -> str | None:
    roof = Roof.of(first.calibration)
    if roof is None or page.bytes <= 0 or page.flops <= 0:
        return None
    intensity = page.flops / page.bytes
    points = [
        RoofPoint(f"best {latency(first.median)}", intensity, page.flops / first.median / 1e9)
    ]
    if page.key is not None and page.key.default_secs is not None:
        default = page.key.default_secs
        name = f"default {latency(default)}"
        points.append(RoofPoint(name, intensity, page.flops / default / 1e9))
    return roofline_chart(roof, points, "Speed against what the core can compute and read")


WORKLOAD = Page(
    name="workload",
    path="/workloads/{digest}",
    title="Workload",
    about="One workload: convergence, roofline, spread, top records, uses.",
    params=WorkloadParams,
    data=WorkloadPage,
    read=_read,
    draw=_draw,
    live=("search", "records"),
    section="coverage",
)
