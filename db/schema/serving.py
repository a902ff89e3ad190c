"""Tables of serving: which processes serve what, and what their lookups found."""

from __future__ import annotations

import sqlalchemy as sa

from db.schema.base import BigId, UtcDateTime, metadata, reference
from db.schema.catalog import cpu_archs, model_versions
from db.schema.clock import now

servings = sa.Table(
    "servings",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    sa.Column("process", sa.Text, nullable=False, comment="a fresh UUID per engine"),
    sa.Column("host", sa.Text, nullable=False, comment="host name"),
    reference("model_version_id", model_versions, "the graph"),
    reference("arch_id", cpu_archs, "the CPU architecture it is compiled for"),
    sa.Column("refreshes", sa.Integer, nullable=False, comment="weights taken after the first"),
    sa.Column("refreshed_at", UtcDateTime, comment="when the last of them was told"),
    sa.Column("started_at", UtcDateTime, nullable=False, default=now(), comment="first told"),
    sa.Column("seen_at", UtcDateTime, nullable=False, default=now(), comment="last told"),
    sa.UniqueConstraint("process", "model_version_id", "arch_id"),
    # Those that told something lately.
    sa.Index("ix_servings_seen_at", "seen_at"),
    sa.CheckConstraint("refreshes >= 0", name="refreshes"),
    comment="graphs that processes serve, or served; what they say of themselves now and then",
)

serving_buckets = sa.Table(
    "serving_buckets",
    metadata,
    sa.Column(
        "serving_id",
        sa.ForeignKey(servings.c.id, ondelete="CASCADE"),
        primary_key=True,
        comment="the graph in its process",
    ),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False, comment="batch size"),
    sa.Column("calls", sa.BigInteger, nullable=False, comment="inferences so far"),
    sa.Column("by_record", sa.Integer, nullable=False, comment="kernels with a record"),
    sa.Column(
        "by_compatible",
        sa.Integer,
        nullable=False,
        comment="kernels with the record of another architecture",
    ),
    sa.Column(
        "by_neighbour",
        sa.Integer,
        nullable=False,
        comment="kernels with the configuration of another batch size",
    ),
    sa.Column(
        "by_default", sa.Integer, nullable=False, comment="kernels with their default schedule"
    ),
    comment="what the lookups of a serving process found, by bucket",
)
