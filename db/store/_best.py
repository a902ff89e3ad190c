"""Best records: promoted, looked up, rolled back; their history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from db.backend.chunks import chunks
from db.domain.measurements import BestRecord, Measurement, Promotion
from db.errors import NotFound
from db.schema import catalog, records
from db.schema.clock import now
from db.store._measurements import Measurements
from db.store._part import Row, Select, equal

best_records = records.best_records
measurements = records.measurements
promotions = records.promotions
tuning_records = records.tuning_records

#: In the order of the fields of `BestRecord`: a lookup makes hundreds of them.
_columns = (
    catalog.workloads.c.digest,
    catalog.cpu_archs.c.name,
    catalog.toolchains.c.key,
    promotions.c.regime,
    tuning_records.c.trace,
    tuning_records.c.config,
    promotions.c.strategy,
    promotions.c.run_secs,
    promotions.c.default_secs,
    measurements.c.uid,
    promotions.c.promoted_at,
    promotions.c.validation,
    promotions.c.revoked_at,
    sa.func.coalesce(promotions.c.revoked_reason, ""),
)


def _joined(start: sa.FromClause) -> sa.FromClause:
    return (
        start.join(catalog.workloads, catalog.workloads.c.id == promotions.c.workload_id)
        .join(catalog.cpu_archs, catalog.cpu_archs.c.id == promotions.c.arch_id)
        .join(catalog.toolchains, catalog.toolchains.c.id == promotions.c.toolchain_id)
        .join(tuning_records, tuning_records.c.id == promotions.c.record_id)
        .join(measurements, measurements.c.id == promotions.c.measurement_id)
    )


_history = sa.select(*_columns).select_from(_joined(promotions))
_best = sa.select(*_columns).select_from(
    _joined(best_records.join(promotions, promotions.c.id == best_records.c.promotion_id))
)


class Best(Measurements):
    """The fastest validated records, and how they came to be."""

    def promote(self, promotion: Promotion, *, measurements: Sequence[Measurement] = ()) -> bool:
        host_ids = self._host_ids(measurements)

        def body(connection: sa.Connection) -> bool:
            if measurements:
                self._insert_measurements(connection, measurements, host_ids)
            return self._promote(connection, promotion)

        return self._db.write(body)

    def best_records(
        self,
        workloads: Sequence[str] | None,
        arch: str,
        toolchain: str | None,
        regime: str = "warm",
    ) -> dict[str, BestRecord]:
        def body(connection: sa.Connection) -> list[BestRecord]:
            query = _best.where(*self._of_arch(connection, arch, toolchain, regime))
            if workloads is None:
                return [BestRecord(*row) for row in connection.execute(query).all()]
            ids = sorted(self._workloads.find(connection, workloads).values())
            found: list[BestRecord] = []
            for some in chunks(ids):
                rows = connection.execute(query.where(best_records.c.workload_id.in_(some)))
                found.extend(BestRecord(*row) for row in rows.all())
            return found

        return _fastest(self._db.read(body))

    def lookup(
        self,
        model_version: int,
        bucket: int | None,
        arch: str,
        toolchain: str | None,
        regime: str = "warm",
    ) -> dict[str, BestRecord]:
        def body(connection: sa.Connection) -> list[BestRecord]:
            query = lookup_query(
                model_version, bucket, self._of_arch(connection, arch, toolchain, regime)
            )
            return [BestRecord(*row) for row in connection.execute(query).all()]

        return _fastest(self._db.read(body))

    def history(
        self, workload: str, arch: str, toolchain: str, regime: str = "warm"
    ) -> list[BestRecord]:
        def body(connection: sa.Connection) -> list[BestRecord]:
            key = self._find_key(connection, workload, arch, toolchain, regime)
            if key is None:
                return []
            query = _history.where(*equal(promotions, key)).order_by(promotions.c.id)
            return [BestRecord(*row) for row in connection.execute(query)]

        return self._db.read(body)

    def rollback(
        self, workload: str, arch: str, toolchain: str, reason: str, regime: str = "warm"
    ) -> BestRecord | None:
        def body(connection: sa.Connection) -> BestRecord | None:
            key = self._require_key(connection, workload, arch, toolchain, regime)
            _one_at_a_time(connection, key)
            return _rollback(connection, key, reason)

        return self._db.write(body)

    def _of_arch(
        self, connection: sa.Connection, arch: str, toolchain: str | None, regime: str
    ) -> list[sa.ColumnElement[bool]]:
        arch_id = self._archs.find_one(connection, arch)
        # An unknown name is equal to nothing: a host that nobody tuned for finds no records.
        conditions = [best_records.c.regime == regime, _is(best_records.c.arch_id, arch_id)]
        if toolchain is not None:
            toolchain_id = self._toolchains.find_one(connection, toolchain)
            conditions.append(_is(best_records.c.toolchain_id, toolchain_id))
        return conditions

    def _promote(self, connection: sa.Connection, promotion: Promotion) -> bool:
        key = self._require_key(
            connection,
            promotion.workload,
            promotion.arch,
            promotion.toolchain,
            promotion.regime,
        )
        _one_at_a_time(connection, key)
        measured = self._measured_for(connection, promotion, key)
        best = connection.execute(
            sa.select(best_records.c.run_secs, promotions.c.measurement_id)
            .join(promotions, promotions.c.id == best_records.c.promotion_id)
            .where(*equal(best_records, key))
        ).first()
        if best is not None and best.run_secs <= promotion.run_secs_median:
            # Said already; the answer may have been lost on its way.
            return bool(best.measurement_id == measured.id)
        if _revoked(connection, key, measured.record_id):
            return False
        promotion_id = connection.execute(
            sa.insert(promotions)
            .values(
                **key,
                measurement_id=measured.id,
                record_id=measured.record_id,
                strategy=promotion.strategy,
                run_secs=promotion.run_secs_median,
                default_secs=promotion.default_secs,
                roofline=measured.calibration.get("roofline"),
                validation=dict(promotion.validation),
            )
            .returning(promotions.c.id)
        ).scalar_one()
        insert = self._db.insert(best_records)
        upsert = insert.on_conflict_do_update(
            index_elements=list(key),
            set_={
                "promotion_id": insert.excluded.promotion_id,
                "run_secs": insert.excluded.run_secs,
            },
        )
        row = {**key, "promotion_id": promotion_id, "run_secs": promotion.run_secs_median}
        connection.execute(upsert, row)
        return True

    def _measured_for(
        self, connection: sa.Connection, promotion: Promotion, key: dict[str, Any]
    ) -> Row:
        row = connection.execute(
            sa.select(measurements, tuning_records.c.trace)
            .join(tuning_records, tuning_records.c.id == measurements.c.record_id)
            .where(measurements.c.uid == promotion.measurement_uid)
        ).first()
        uid = promotion.measurement_uid
        if row is None:
            raise NotFound(f"unknown measurement {uid}; store it before, or with, its promotion")
        # What is served must be what was measured.
        if any(row._mapping[name] != value for name, value in key.items()):
            raise ValueError(f"promotion: measurement {uid} is of another key")
        if row.median is None:
            raise ValueError(f"promotion: measurement {uid} failed ({row.error_kind})")
        if row.trace != promotion.trace:
            raise ValueError(f"promotion: measurement {uid} has another trace")
        return row


def lookup_query(
    model_version: int, bucket: int | None, of_arch: Sequence[sa.ColumnElement[bool]]
) -> Select:
    """Best records of all tasks of a model version: one index probe per task."""
    tasks = catalog.tasks
    wanted = sa.select(tasks.c.workload_id).where(
        tasks.c.model_version_id == model_version, tasks.c.arch_id == best_records.c.arch_id
    )
    if bucket is not None:
        wanted = wanted.where(tasks.c.bucket == bucket)
    return _best.where(best_records.c.workload_id.in_(wanted), *of_arch)


def _is(column: sa.Column[int], value: int | None) -> sa.ColumnElement[bool]:
    return sa.false() if value is None else column == value


def _one_at_a_time(connection: sa.Connection, key: dict[str, Any]) -> None:
    """Hold off other promotions and rollbacks of the workload until this transaction ends.

    There may be no best record to lock yet, and the ids of the history must rise with time. The
    lock is the weakest that excludes itself: measurements of the workload go on being stored.
    """
    row = catalog.workloads.c.id == key["workload_id"]
    connection.execute(sa.select(catalog.workloads.c.id).where(row).with_for_update(key_share=True))


def _revoked(connection: sa.Connection, key: dict[str, Any], record_id: int) -> bool:
    query = sa.select(promotions.c.id).where(
        *equal(promotions, key),
        promotions.c.record_id == record_id,
        promotions.c.revoked_at.is_not(None),
    )
    return connection.execute(query).first() is not None


def _rollback(connection: sa.Connection, key: dict[str, Any], reason: str) -> BestRecord | None:
    best = connection.execute(
        sa.select(promotions.c.id, promotions.c.record_id)
        .join(best_records, best_records.c.promotion_id == promotions.c.id)
        .where(*equal(best_records, key))
        .with_for_update()
    ).first()
    if best is None:
        raise NotFound("nothing to roll back: this workload has no best record")
    history = equal(promotions, key)
    # Every promotion of the candidate: the same wrong trace may have been promoted before.
    connection.execute(
        sa.update(promotions)
        .where(*history, promotions.c.record_id == best.record_id)
        .values(revoked_at=now(), revoked_reason=reason)
    )
    heir = connection.execute(
        sa.select(promotions.c.id, promotions.c.run_secs)
        .where(*history, promotions.c.revoked_at.is_(None))
        .order_by(promotions.c.run_secs, promotions.c.id.desc())
        .limit(1)
    ).first()
    if heir is None:
        connection.execute(sa.delete(best_records).where(*equal(best_records, key)))
        return None
    connection.execute(
        sa.update(best_records)
        .where(*equal(best_records, key))
        .values(promotion_id=heir.id, run_secs=heir.run_secs)
    )
    return BestRecord(*connection.execute(_history.where(promotions.c.id == heir.id)).one())


def _fastest(found: Sequence[BestRecord]) -> dict[str, BestRecord]:
    # Slowest first, so that the fastest of several toolchains stays.
    ordered = sorted(found, key=lambda record: -record.run_secs)
    return {record.workload: record for record in ordered}
