"""Tables of the results: tuning records, measurements, promotions, best records."""

from __future__ import annotations

import sqlalchemy as sa

from db.domain.measurements import REGIMES, ErrorKind
from db.schema.base import BigId, Json, UtcDateTime, metadata, one_of, reference
from db.schema.catalog import cpu_archs, hosts, toolchains, workloads
from db.schema.clock import now
from db.schema.queue import jobs

#: Conditions of the partial indexes. Queries repeat them word for word, or the index is not used.
FAILED = sa.text("error_signature IS NOT NULL")
REVOKED = sa.text("revoked_at IS NOT NULL")

tuning_records = sa.Table(
    "tuning_records",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    reference("workload_id", workloads, "the workload"),
    sa.Column("candidate", sa.Text, nullable=False, comment="SHA-256 of the candidate"),
    sa.Column("config", Json, comment="knob values of a template"),
    sa.Column("trace", sa.Text, comment="MetaSchedule trace as JSON"),
    sa.UniqueConstraint("workload_id", "candidate"),
    comment="candidates, each stored once however often it is measured",
)

measurements = sa.Table(
    "measurements",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    sa.Column("uid", sa.Text, nullable=False, unique=True, comment="makes inserts idempotent"),
    reference("job_id", jobs, "null when imported", nullable=True),
    sa.Column("attempt", sa.Integer, nullable=False, comment="attempt of the job"),
    reference("workload_id", workloads, "the workload"),
    reference("arch_id", cpu_archs, "the CPU architecture"),
    reference("toolchain_id", toolchains, "the toolchain"),
    reference("record_id", tuning_records, "the candidate"),
    reference("host_id", hosts, "where it ran"),
    sa.Column("strategy", sa.Text, nullable=False, comment="who proposed the candidate"),
    sa.Column("regime", sa.Text, nullable=False, comment="warm or cold weights"),
    sa.Column("median", sa.Double, comment="seconds per call; null on error"),
    sa.Column("spread", sa.Double, comment="interquartile range over median"),
    sa.Column("run_secs", Json, nullable=False, comment="seconds per call, one per repeat"),
    sa.Column("error_kind", sa.Text, comment="see db.domain.measurements.ErrorKind"),
    sa.Column("error_text", sa.Text, comment="what was reported, for people"),
    sa.Column("error_signature", sa.Text, comment="alike errors have the same; null if it ran"),
    sa.Column("core", sa.Integer, comment="core it was pinned to"),
    sa.Column("threads", sa.Integer, nullable=False, comment="threads of the kernel"),
    sa.Column("calibration", Json, nullable=False, comment="speed of the host at that moment"),
    sa.Column("build_secs", sa.Double, comment="seconds spent building"),
    sa.Column("measured_at", UtcDateTime, nullable=False, default=now(), comment="when stored"),
    one_of("regime", REGIMES),
    one_of("error_kind", tuple(ErrorKind)),
    sa.CheckConstraint("(median IS NULL) = (error_kind IS NOT NULL)", name="value_or_error"),
    # All measurements of a key, the fastest first.
    sa.Index("ix_measurements_key", "workload_id", "arch_id", "toolchain_id", "regime", "median"),
    sa.Index("ix_measurements_job", "job_id", "id"),
    sa.Index("ix_measurements_record", "record_id"),
    # Errors by what they say, in order; only errors are in it.
    sa.Index(
        "ix_measurements_errors",
        "error_signature",
        "id",
        postgresql_where=FAILED,
        sqlite_where=FAILED,
    ),
    comment="every attempt, good or bad; append-only, thinned out by prune",
)

promotions = sa.Table(
    "promotions",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    reference("workload_id", workloads, "the workload"),
    reference("arch_id", cpu_archs, "the CPU architecture"),
    reference("toolchain_id", toolchains, "the toolchain"),
    sa.Column("regime", sa.Text, nullable=False, comment="warm or cold weights"),
    reference("measurement_id", measurements, "the measurement it rests on"),
    reference("record_id", tuning_records, "the candidate"),
    sa.Column("strategy", sa.Text, nullable=False, comment="who found it"),
    sa.Column("run_secs", sa.Double, nullable=False, comment="confirmed median"),
    sa.Column("default_secs", sa.Double, comment="the default schedule, same host"),
    sa.Column("roofline", sa.Double, comment="part of the speed that the core could reach"),
    sa.Column("validation", Json, nullable=False, comment="inputs, tolerances, largest error"),
    sa.Column(
        "promoted_at", UtcDateTime, nullable=False, default=now(), comment="when it became the best"
    ),
    sa.Column("revoked_at", UtcDateTime, comment="rolled back; its candidate stays out"),
    sa.Column("revoked_reason", sa.Text, comment="why it was rolled back"),
    one_of("regime", REGIMES),
    sa.CheckConstraint("run_secs > 0", name="run_secs"),
    sa.Index("ix_promotions_key", "workload_id", "arch_id", "toolchain_id", "regime", "id"),
    sa.Index("ix_promotions_measurement", "measurement_id"),
    sa.Index("ix_promotions_record", "record_id"),
    sa.Index("ix_promotions_promoted_at", "promoted_at"),
    # With the one above: what changed between two moments, whatever else there is.
    sa.Index(
        "ix_promotions_revoked_at", "revoked_at", postgresql_where=REVOKED, sqlite_where=REVOKED
    ),
    comment="every record that was the best of its key, in order: the history",
)

best_records = sa.Table(
    "best_records",
    metadata,
    reference("workload_id", workloads, "the workload", primary_key=True),
    reference("arch_id", cpu_archs, "the CPU architecture", primary_key=True),
    reference("toolchain_id", toolchains, "the toolchain", primary_key=True),
    sa.Column("regime", sa.Text, primary_key=True, comment="warm or cold weights"),
    reference("promotion_id", promotions, "the promotion that stands"),
    sa.Column("run_secs", sa.Double, nullable=False, comment="decides the conditional upsert"),
    sa.Index("ix_best_records_promotion", "promotion_id"),
    comment="the fastest validated record of each key",
)
