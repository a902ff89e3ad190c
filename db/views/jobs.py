"""Jobs, filtered, sorted and paged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from db.domain.states import JobState
from db.schema import catalog, queue

jobs, counts = queue.jobs, queue.job_counts

_models, _versions, _archs = catalog.models, catalog.model_versions, catalog.cpu_archs

#: What jobs may be sorted by.
SORTS: Mapping[str, sa.ColumnElement[object]] = MappingProxyType(
    {
        "id": jobs.c.id,
        "model": _models.c.name,
        "arch": _archs.c.name,
        "bucket": jobs.c.bucket,
        "state": jobs.c.state,
        "attempt": jobs.c.attempt,
        "updated": jobs.c.updated_at,
    }
)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; ``None`` everywhere takes all."""

    campaign: int | None = None
    state: JobState | None = None
    model: str | None = None
    arch: str | None = None
    bucket: int | None = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job in a list."""

    #: Identifier.
    id: int
    #: Campaign it belongs to.
    campaign: int
    #: Name of the model.
    model: str
    #: Name of the CPU architecture.
    arch: str
    #: Batch size.
    bucket: int
    #: Where it stands.
    state: str
    #: Claims so far.
    attempt: int
    #: Failures and losses so far.
    failures: int
    #: Worker that holds it, or held it last.
    worker: str | None
    #: Why it is where it is.
    reason: str
    #: When it was first claimed.
    started_at: datetime | None
    #: Last change of state.
    updated_at: datetime
    #: When it became final.
    finished_at: datetime | None
    #: Candidates measured, failed ones included.
    measured: int
    #: Of them without a latency.
    failed: int


def list_jobs(
    connection: sa.Connection,
    chosen: JobFilter,
    *,
    sort: str = "id",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> tuple[int, list[JobRow]]:
    """How many jobs there are, and one page of them."""
    joined = (
        jobs.join(_archs, _archs.c.id == jobs.c.arch_id)
        .join(_versions, _versions.c.id == jobs.c.model_version_id)
        .join(_models, _models.c.id == _versions.c.model_id)
    )
    conditions = _conditions(chosen)
    number = sa.select(sa.func.count()).select_from(joined).where(*conditions)
    order = SORTS[sort]
    page = (
        sa.select(
            jobs.c.id,
            jobs.c.campaign_id,
            _models.c.name,
            _archs.c.name,
            jobs.c.bucket,
            jobs.c.state,
            jobs.c.attempt,
            jobs.c.failures,
            jobs.c.worker,
            jobs.c.reason,
            jobs.c.started_at,
            jobs.c.updated_at,
            jobs.c.finished_at,
        )
        .select_from(joined)
        .where(*conditions)
        .order_by(order.desc() if descending else order, jobs.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    rows = connection.execute(page).all()
    measured, failed = Counter[int](), Counter[int]()
    outcomes = sa.select(counts).where(counts.c.job_id.in_([row.id for row in rows]))
    for row in connection.execute(outcomes).all():
        measured[row.job_id] += row.measurements
        failed[row.job_id] += row.measurements if row.error_kind else 0
    total = connection.execute(number).scalar_one()
    found: list[tuple[Any, ...]] = [(*row, measured[row.id], failed[row.id]) for row in rows]
    return total, [JobRow(*told) for told in found]


def _conditions(chosen: JobFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if chosen.campaign is not None:
        found.append(jobs.c.campaign_id == chosen.campaign)
    if chosen.state is not None:
        found.append(jobs.c.state == str(chosen.state))
    if chosen.model is not None:
        found.append(_models.c.name == chosen.model)
    if chosen.arch is not None:
        found.append(_archs.c.name == chosen.arch)
    if chosen.bucket is not None:
        found.append(jobs.c.bucket == chosen.bucket)
    return found
