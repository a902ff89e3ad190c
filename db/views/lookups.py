"""What serving would find for each kernel now, in the order in which it looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from db.domain.catalog import CpuArch
from db.schema import catalog, records
from db.views.kernels import Kernel


def best_by_arch(connection: sa.Connection, versions: Sequence[int]) -> dict[str, set[str]]:
    """CPU architectures that have a record, by workload (digest), for workloads of versions."""
    best, tasks = records.best_records, catalog.tasks
    wanted = sa.select(tasks.c.workload_id).where(tasks.c.model_version_id.in_(list(versions)))
    query = (
        sa.select(catalog.workloads.c.digest, catalog.cpu_archs.c.name)
        .select_from(best)
        .join(catalog.workloads, catalog.workloads.c.id == best.c.workload_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == best.c.arch_id)
        .where(best.c.workload_id.in_(wanted), best.c.regime == "warm")
        .distinct()
    )
    found: dict[str, set[str]] = {}
    for digest, arch in connection.execute(query).all():
        found.setdefault(digest, set()).add(arch)
    return found


def lookups(
    kernels: Iterable[Kernel], tuned_on: Mapping[str, set[str]], archs: Sequence[CpuArch]
) -> dict[tuple[str, int], Counter[str]]:
    """How many kernels each kind of lookup serves, by CPU architecture and bucket.

    A neighbour is the same kernel of another bucket; whether its configuration fits is decided
    when the model is compiled.
    """
    runs_on = {
        host.name: [a.name for a in archs if a.name != host.name and _runs_on(a, host)]
        for host in archs
    }
    every = list(kernels)
    families = {(k.model_version, k.arch, k.family) for k in every if k.tuned}
    found: dict[tuple[str, int], Counter[str]] = {}
    for k in every:
        on = tuned_on.get(k.workload, set())
        if k.tuned:
            kind = "record"
        elif any(arch in on for arch in runs_on.get(k.arch, ())):
            kind = "compatible"
        elif (k.model_version, k.arch, k.family) in families:
            kind = "neighbour"
        else:
            kind = "default"
        found.setdefault((k.arch, k.bucket), Counter())[kind] += k.calls
    return found


def _runs_on(arch: CpuArch, host: CpuArch) -> bool:
    """Whether code for `arch` may run on `host`: the host has all of its features."""
    return set(arch.features) <= set(host.features)
