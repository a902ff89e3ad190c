"""Group errors, follow workers over time, find what changed

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

# Old errors have to be found together with new ones, so the code of today names them.
from db.domain.signatures import signature

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UTC = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")
FAILED = sa.text("error_signature IS NOT NULL")
REVOKED = sa.text("revoked_at IS NOT NULL")
SETBACKS = sa.text("action IN ('fail', 'lose', 'quarantine', 'retry')")

#: Rows per statement.
BATCH = 5_000

measurements = sa.table(
    "measurements",
    sa.column("id", sa.Integer),
    sa.column("error_kind", sa.Text),
    sa.column("error_text", sa.Text),
    sa.column("error_signature", sa.Text),
)


def upgrade() -> None:
    op.add_column(
        "measurements",
        sa.Column("error_signature", sa.Text, comment="alike errors have the same; null if it ran"),
    )
    _name_errors()
    op.create_index(
        "ix_measurements_errors",
        "measurements",
        ["error_signature", "id"],
        postgresql_where=FAILED,
        sqlite_where=FAILED,
    )
    op.create_index(
        "ix_promotions_revoked_at",
        "promotions",
        ["revoked_at"],
        postgresql_where=REVOKED,
        sqlite_where=REVOKED,
    )
    op.create_index(
        "ix_events_setbacks", "events", ["id"], postgresql_where=SETBACKS, sqlite_where=SETBACKS
    )
    counters = (
        ("measured", "candidates so far"),
        ("failed", "of them without a latency"),
        ("build_s", "seconds spent building so far"),
        ("measure_s", "seconds spent measuring so far"),
        ("validate_s", "seconds spent comparing so far"),
        ("calibrate_s", "seconds spent calibrating so far"),
    )
    op.create_table(
        "worker_samples",
        sa.Column(
            "worker_id",
            sa.Text,
            sa.ForeignKey("workers.id", name="fk_worker_samples_worker_id"),
            nullable=False,
            comment="the worker process",
        ),
        sa.Column("at", UTC, nullable=False, comment="when it told"),
        *(sa.Column(name, sa.Double, nullable=False, comment=text) for name, text in counters),
        sa.Column("fma_gflops", sa.Double, comment="speed of its core at its last calibration"),
        sa.PrimaryKeyConstraint("worker_id", "at", name="pk_worker_samples"),
        comment="figures of workers over time: counters that only grow, every few heartbeats",
    )


def _name_errors() -> None:
    connection = op.get_bind()
    unnamed = (
        sa.select(measurements.c.id, measurements.c.error_kind, measurements.c.error_text)
        .where(measurements.c.error_kind.is_not(None))
        .order_by(measurements.c.id)
        .limit(BATCH)
    )
    update = (
        sa.update(measurements)
        .where(measurements.c.id == sa.bindparam("row"))
        .values(error_signature=sa.bindparam("name"))
    )
    last = 0
    while rows := connection.execute(unnamed.where(measurements.c.id > last)).all():
        connection.execute(update, [{"row": i, "name": signature(k, t)} for i, k, t in rows])
        last = rows[-1].id
