"""How best records did lately: what was measured of them since they were found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from db.backend.chunks import chunks
from db.domain.reports import Look, Standing
from db.schema import catalog, records
from db.store._part import Part, Row, Select

best_records, promotions = records.best_records, records.promotions

#: Measurements of a record that are looked at.
_LOOKS = 2


class Standings(Part):
    """Best records looked at again."""

    def standings(
        self, workloads: Sequence[str], arch: str, toolchain: str, regime: str = "warm"
    ) -> dict[str, Standing]:
        def body(connection: sa.Connection) -> list[Row]:
            arch_id = self._archs.find_one(connection, arch)
            toolchain_id = self._toolchains.find_one(connection, toolchain)
            ids = sorted(self._workloads.find(connection, workloads).values())
            found: list[Row] = []
            if arch_id is None or toolchain_id is None:
                return found
            for some in chunks(ids):
                found += connection.execute(
                    _looks(
                        best_records.c.workload_id.in_(some),
                        best_records.c.arch_id == arch_id,
                        best_records.c.toolchain_id == toolchain_id,
                        best_records.c.regime == regime,
                    )
                ).all()
            return found

        looks: dict[str, list[Look]] = defaultdict(list)
        hosts = {}
        for row in self._db.read(body):
            hosts[row.digest] = row.host
            looks[row.digest].append(Look(row.median, row.spread, row.calibration))
        return {digest: Standing(hosts[digest], tuple(made)) for digest, made in looks.items()}


def _looks(*of_best: sa.ColumnElement[bool]) -> Select:
    """The newest measurements of each record on the host that it was found on, newest first."""
    found = records.measurements.alias("found")
    seen = records.measurements.alias("seen")
    newest = (
        sa.select(
            seen.c.workload_id,
            seen.c.host_id,
            seen.c.median,
            seen.c.spread,
            seen.c.calibration,
            sa.func.row_number()
            .over(partition_by=seen.c.record_id, order_by=seen.c.id.desc())
            .label("place"),
        )
        .select_from(best_records)
        .join(promotions, promotions.c.id == best_records.c.promotion_id)
        .join(found, found.c.id == promotions.c.measurement_id)
        .join(
            seen,
            sa.and_(
                seen.c.record_id == promotions.c.record_id,
                seen.c.arch_id == found.c.arch_id,
                seen.c.toolchain_id == found.c.toolchain_id,
                seen.c.regime == found.c.regime,
                seen.c.host_id == found.c.host_id,
            ),
        )
        .where(seen.c.median.is_not(None), *of_best)
        .subquery()
    )
    return (
        sa.select(
            catalog.workloads.c.digest,
            catalog.hosts.c.name.label("host"),
            newest.c.median,
            newest.c.spread,
            newest.c.calibration,
        )
        .join(catalog.workloads, catalog.workloads.c.id == newest.c.workload_id)
        .join(catalog.hosts, catalog.hosts.c.id == newest.c.host_id)
        .where(newest.c.place <= _LOOKS)
        .order_by(catalog.workloads.c.digest, newest.c.place)
    )
