"""What serving processes told of themselves: their lookups, and the weights they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from db.domain.serving import LOOKUP_KINDS
from db.schema import catalog, serving
from db.schema.clock import after

servings, buckets = serving.servings, serving.serving_buckets

#: Seconds for which a process counts after it has said something: a day of serving.
RECENT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class ServedKernels:
    """What lookups found for a bucket, in all processes that served it lately."""

    #: Name of the CPU architecture that they compiled for.
    arch: str
    #: Batch size.
    bucket: int
    #: Processes that have it ready.
    processes: int
    #: Inferences that it had a part in.
    calls: int
    #: Kernels of all these processes by what serves them: ``record``, ``compatible``,
    #: ``neighbour``, ``default``.
    kinds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Refreshes:
    """What serving processes did with the weights of a version."""

    #: Processes that said lately that they serve it.
    processes: int
    #: Weights that they took after their first.
    refreshes: int
    #: When the last of these was told.
    refreshed_at: datetime | None


def served_kernels(connection: sa.Connection, version: int) -> list[ServedKernels]:
    """What lookups found for a model version lately, by CPU architecture and bucket."""
    query = (
        sa.select(
            catalog.cpu_archs.c.name,
            buckets.c.bucket,
            sa.func.count(),
            sa.func.sum(buckets.c.calls),
            *(sa.func.sum(buckets.c[f"by_{kind}"]) for kind in LOOKUP_KINDS),
        )
        .join(servings, servings.c.id == buckets.c.serving_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == servings.c.arch_id)
        .where(servings.c.model_version_id == version, servings.c.seen_at > after(-RECENT_S))
        .group_by(catalog.cpu_archs.c.name, buckets.c.bucket)
        .order_by(catalog.cpu_archs.c.name, buckets.c.bucket)
    )
    return [
        ServedKernels(
            arch, bucket, processes, int(calls), dict(zip(LOOKUP_KINDS, map(int, of), strict=True))
        )
        for arch, bucket, processes, calls, *of in connection.execute(query).all()
    ]


def refreshes(connection: sa.Connection, versions: Sequence[int]) -> dict[int, Refreshes]:
    """Refreshes of model versions lately; those that nobody serves are left out."""
    query = (
        sa.select(
            servings.c.model_version_id,
            sa.func.count(),
            sa.func.sum(servings.c.refreshes),
            sa.func.max(servings.c.refreshed_at),
        )
        .where(
            servings.c.model_version_id.in_(list(versions)), servings.c.seen_at > after(-RECENT_S)
        )
        .group_by(servings.c.model_version_id)
    )
    return {
        version: Refreshes(processes, int(number), last)
        for version, processes, number, last in connection.execute(query).all()
    }
