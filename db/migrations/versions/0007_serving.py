"""Keep what serving processes look up, and how near to the roofline best records come

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UTC = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ROOFLINE = {
    "sqlite": "json_extract(calibration, '$.roofline')",
    "postgresql": "(calibration ->> 'roofline')::double precision",
}


def upgrade() -> None:
    op.add_column(
        "promotions",
        sa.Column("roofline", sa.Double, comment="part of the speed that the core could reach"),
    )
    op.execute(
        f"UPDATE promotions SET roofline = (SELECT {ROOFLINE[op.get_bind().dialect.name]} "
        "FROM measurements WHERE measurements.id = promotions.measurement_id)"
    )
    op.create_table(
        "servings",
        sa.Column("id", ID, nullable=False, comment="identifier"),
        sa.Column("process", sa.Text, nullable=False, comment="a fresh UUID per engine"),
        sa.Column("host", sa.Text, nullable=False, comment="host name"),
        sa.Column(
            "model_version_id",
            ID,
            sa.ForeignKey("model_versions.id", name="fk_servings_model_version_id"),
            nullable=False,
            comment="the graph",
        ),
        sa.Column(
            "arch_id",
            ID,
            sa.ForeignKey("cpu_archs.id", name="fk_servings_arch_id"),
            nullable=False,
            comment="the CPU architecture it is compiled for",
        ),
        sa.Column("refreshes", sa.Integer, nullable=False, comment="weights taken after the first"),
        sa.Column("refreshed_at", UTC, comment="when the last of them was told"),
        sa.Column("started_at", UTC, nullable=False, comment="first told"),
        sa.Column("seen_at", UTC, nullable=False, comment="last told"),
        sa.PrimaryKeyConstraint("id", name="pk_servings"),
        sa.UniqueConstraint(
            "process",
            "model_version_id",
            "arch_id",
            name="uq_servings_process_model_version_id_arch_id",
        ),
        sa.CheckConstraint("refreshes >= 0", name=op.f("ck_servings_refreshes")),
        comment="graphs that processes serve, or served; what they say of themselves now and then",
    )
    op.create_index("ix_servings_seen_at", "servings", ["seen_at"])
    kinds = (
        ("by_record", "kernels with a record"),
        ("by_compatible", "kernels with the record of another architecture"),
        ("by_neighbour", "kernels with the configuration of another batch size"),
        ("by_default", "kernels with their default schedule"),
    )
    op.create_table(
        "serving_buckets",
        sa.Column(
            "serving_id",
            ID,
            sa.ForeignKey("servings.id", name="fk_serving_buckets_serving_id", ondelete="CASCADE"),
            nullable=False,
            comment="the graph in its process",
        ),
        sa.Column("bucket", sa.Integer, autoincrement=False, nullable=False, comment="batch size"),
        sa.Column("calls", sa.BigInteger, nullable=False, comment="inferences so far"),
        *(sa.Column(name, sa.Integer, nullable=False, comment=text) for name, text in kinds),
        sa.PrimaryKeyConstraint("serving_id", "bucket", name="pk_serving_buckets"),
        comment="what the lookups of a serving process found, by bucket",
    )
