"""What became faster or slower between two moments: reads what changed, not what there is."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db.backend.chunks import chunks
from db.schema import catalog, queue, records
from db.views._time import moment

promotions = records.promotions

#: Differences of less than this are noise: a record falls only to one that is faster by more,
#: in a run in turns.
NOISE = 0.01


@dataclass(frozen=True, slots=True)
class Shift:
    """The best record of a workload on an architecture, at two moments."""

    #: Digest of the workload.
    workload: str
    #: Name of the workload, for people.
    name: str
    #: Kind of operator.
    op_kind: str
    #: Name of the CPU architecture.
    arch: str
    #: ``regressed``: slower by more than noise, or without its record; ``improved``: faster by more
    #: than noise; ``covered``: has a record and had none.
    kind: str
    #: Seconds per call at the first moment; ``None`` if there was no record.
    before_secs: float | None
    #: Seconds per call at the second moment; ``None`` if it was rolled back to nothing.
    after_secs: float | None

    @property
    def speedup(self) -> float | None:
        """How many times faster it became; ``None`` if one of the two is missing."""
        if self.before_secs is None or self.after_secs is None:
            return None
        return self.before_secs / self.after_secs


@dataclass(frozen=True, slots=True)
class Shifts:
    """What changed between two moments: the most notable of each kind, and how many there are."""

    #: Those that became slower, or lost their record; the worst first.
    regressed: tuple[Shift, ...]
    #: Those that became faster; the greatest gain first.
    improved: tuple[Shift, ...]
    #: Those that have a record now and had none, by name.
    covered: tuple[Shift, ...]
    #: How many there are of each kind, and within ``noise``.
    counts: Mapping[str, int]


def shifts(
    connection: sa.Connection,
    before: datetime,
    after: datetime,
    *,
    most: int,
    toolchain_before: str | None = None,
    toolchain_after: str | None = None,
    campaign: int | None = None,
) -> Shifts:
    """Best records that were made or revoked between two moments.

    Parameters
    ----------
    before, after
        The moments; a best counts from its promotion until it is beaten or revoked.
    most
        How many of each kind are named.
    toolchain_before, toolchain_after
        Only records of this toolchain (key), at either moment; ``None`` takes the fastest of any.
        If they differ, workloads that did not change in between are compared as well.
    campaign
        Only workloads of this campaign's jobs.
    """
    first, second = moment(before), moment(after)
    joined = _of_toolchains(toolchain_before, toolchain_after)
    # Made by one toolchain and read by the other, a record shifts without having changed.
    changed = None if toolchain_before != toolchain_after else _changed(first, second)
    stood = _stood(first, toolchain_before)
    stands = _stood(second, toolchain_after)
    key = (promotions.c.workload_id, promotions.c.arch_id)
    grouped = (
        sa.select(
            *key,
            sa.func.min(sa.case((stood, promotions.c.run_secs))).label("before"),
            sa.func.min(sa.case((stands, promotions.c.run_secs))).label("after"),
        )
        .select_from(joined if changed is None else joined.join(changed, _same_key(changed)))
        .where(promotions.c.regime == "warm", promotions.c.promoted_at <= second)
        .group_by(*key)
    )
    if campaign is not None:
        grouped = grouped.where(_of_campaign(campaign))
    parted = _parted(connection.execute(grouped).all())
    shown = {kind: [row for _, row in heapq.nsmallest(most, parted[kind])] for kind in _KINDS}
    # There are thousands, and names are long: only those that are shown are named.
    named = _named(connection, {row[0] for rows in shown.values() for row in rows})
    archs = sa.select(catalog.cpu_archs.c.id, catalog.cpu_archs.c.name)
    arch_names: dict[int, str] = {row.id: row.name for row in connection.execute(archs)}
    of = {
        kind: tuple(Shift(*named[w], arch_names[a], kind, *secs) for w, a, *secs in shown[kind])
        for kind in _KINDS
    }
    return Shifts(
        regressed=of["regressed"],
        improved=of["improved"],
        covered=tuple(sorted(of["covered"], key=lambda shift: (shift.name, shift.arch))),
        counts={kind: len(of_kind) for kind, of_kind in parted.items()},
    )


_KINDS = ("regressed", "improved", "covered")
#: Workload, architecture, seconds at the two moments.
_Row = tuple[int, int, float | None, float | None]


def _parted(rows: Iterable[Any]) -> dict[str, list[tuple[float, _Row]]]:
    """Parts by kind; in each, the smaller the number, the more notable."""
    parts: dict[str, list[tuple[float, _Row]]] = {kind: [] for kind in (*_KINDS, "noise")}
    for workload, arch, before, after in rows:
        row = (workload, arch, before, after)
        if before is None:
            if after is not None:
                parts["covered"].append((0.0, row))
        elif after is None:
            parts["regressed"].append((0.0, row))
        elif (speedup := before / after) < 1.0 - NOISE:
            parts["regressed"].append((speedup, row))
        elif speedup > 1.0 + NOISE:
            parts["improved"].append((-speedup, row))
        else:
            parts["noise"].append((0.0, row))
    return parts


def _named(connection: sa.Connection, ids: Collection[int]) -> dict[int, tuple[str, str, str]]:
    workloads = catalog.workloads
    columns = (workloads.c.id, workloads.c.digest, workloads.c.name, workloads.c.op_kind)
    found = {}
    for some in chunks(sorted(ids)):
        for id_, *told in connection.execute(sa.select(*columns).where(workloads.c.id.in_(some))):
            found[id_] = tuple(told)
    return found


def spreads(connection: sa.Connection, shown: Sequence[Shift]) -> dict[tuple[str, str], float]:
    """Interquartile range over median of the measurements behind the present records of `shown`."""
    best, measurements = records.best_records, records.measurements
    query = (
        sa.select(catalog.workloads.c.digest, catalog.cpu_archs.c.name, measurements.c.spread)
        .select_from(best)
        .join(promotions, promotions.c.id == best.c.promotion_id)
        .join(measurements, measurements.c.id == promotions.c.measurement_id)
        .join(catalog.workloads, catalog.workloads.c.id == best.c.workload_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == best.c.arch_id)
        .where(
            catalog.workloads.c.digest.in_({shift.workload for shift in shown}),
            best.c.regime == "warm",
        )
    )
    return {
        (digest, arch): spread
        for digest, arch, spread in connection.execute(query).all()
        if spread is not None
    }


def _changed(first: sa.ColumnElement[datetime], second: sa.ColumnElement[datetime]) -> sa.Subquery:
    """Keys with a promotion or a revocation in between: two ranges of two indexes."""
    key = (promotions.c.workload_id, promotions.c.arch_id)
    made = sa.select(*key).where(
        promotions.c.promoted_at > first, promotions.c.promoted_at <= second
    )
    revoked = sa.select(*key).where(
        records.REVOKED, promotions.c.revoked_at > first, promotions.c.revoked_at <= second
    )
    return made.union(revoked).subquery("changed")


def _same_key(changed: sa.Subquery) -> sa.ColumnElement[bool]:
    return sa.and_(
        changed.c.workload_id == promotions.c.workload_id,
        changed.c.arch_id == promotions.c.arch_id,
    )


def _stood(at: sa.ColumnElement[datetime], toolchain: str | None) -> sa.ColumnElement[bool]:
    conditions = [
        promotions.c.promoted_at <= at,
        sa.or_(promotions.c.revoked_at.is_(None), promotions.c.revoked_at > at),
    ]
    if toolchain is not None:
        conditions.append(catalog.toolchains.c.key == toolchain)
    return sa.and_(*conditions)


def _of_toolchains(one: str | None, other: str | None) -> sa.FromClause:
    if one is None and other is None:
        return promotions
    return promotions.join(catalog.toolchains, catalog.toolchains.c.id == promotions.c.toolchain_id)


def _of_campaign(campaign: int) -> sa.ColumnElement[bool]:
    tasks, jobs = catalog.tasks, queue.jobs
    wanted = (
        sa.select(tasks.c.workload_id, tasks.c.arch_id)
        .join(
            jobs,
            sa.and_(
                jobs.c.model_version_id == tasks.c.model_version_id,
                jobs.c.arch_id == tasks.c.arch_id,
                jobs.c.bucket == tasks.c.bucket,
            ),
        )
        .where(jobs.c.campaign_id == campaign)
    )
    return sa.tuple_(promotions.c.workload_id, promotions.c.arch_id).in_(wanted)
