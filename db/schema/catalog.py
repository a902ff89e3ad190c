"""Tables of what is tuned, for what, and with what.

Rows are named by digests and names outside, and by small integers inside: a measurement refers
to five of these tables, and there are millions of measurements.
"""

from __future__ import annotations

import sqlalchemy as sa

from db.schema.base import BigId, Json, UtcDateTime, metadata, reference
from db.schema.clock import now

cpu_archs = sa.Table(
    "cpu_archs",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    sa.Column("name", sa.Text, nullable=False, unique=True, comment="LLVM cpu name"),
    sa.Column("isa_level", sa.Text, nullable=False, comment="e.g. x86-64-v4"),
    sa.Column("features", Json, nullable=False, comment="list of LLVM feature names"),
    comment="CPU generations that kernels are tuned for",
)

toolchains = sa.Table(
    "toolchains",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    sa.Column("key", sa.Text, nullable=False, unique=True, comment="hash of the three versions"),
    sa.Column("tvm", sa.Text, nullable=False, comment="TVM version"),
    sa.Column("llvm", sa.Text, nullable=False, comment="LLVM version"),
    sa.Column("templates", sa.Text, nullable=False, comment="version of our templates"),
    sa.Column("added_at", UtcDateTime, nullable=False, default=now(), comment="when it was added"),
    comment="what turns a trace into machine code",
)

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    sa.Column("name", sa.Text, nullable=False, comment="host name"),
    sa.Column("cpu", sa.Text, nullable=False, comment="CPU model name"),
    sa.UniqueConstraint("name", "cpu"),
    comment="machines that measured something",
)

workloads = sa.Table(
    "workloads",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    sa.Column(
        "digest", sa.Text, nullable=False, unique=True, comment="SHA-256 of the normalised function"
    ),
    sa.Column("op_kind", sa.Text, nullable=False, comment="kind of operator"),
    sa.Column("name", sa.Text, nullable=False, comment="one line for people"),
    sa.Column("shapes", Json, nullable=False, comment="shapes of the arguments"),
    sa.Column("dtype", sa.Text, nullable=False, comment="element type"),
    sa.Column("flops", sa.Double, nullable=False, comment="operations of one call"),
    sa.Column("bytes", sa.Double, nullable=False, comment="bytes moved by one call"),
    sa.Column("tir", sa.Text, nullable=False, comment="the function as TVM JSON"),
    sa.Column("added_at", UtcDateTime, nullable=False, default=now(), comment="when it was added"),
    comment="fused functions to be tuned",
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    sa.Column("name", sa.Text, nullable=False, unique=True, comment="unique name"),
    comment="models by name",
)

model_versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    reference("model_id", models, "the model"),
    sa.Column("digest", sa.Text, nullable=False, comment="SHA-256 of the graph without weights"),
    sa.Column("source", sa.Text, nullable=False, comment="path or address, as given last"),
    sa.Column("input_schema", Json, nullable=False, comment="names, shapes, dtypes of the inputs"),
    sa.Column("traffic", Json, nullable=False, comment="list of [bucket, share of traffic]"),
    sa.Column("added_at", UtcDateTime, nullable=False, default=now(), comment="first seen"),
    sa.Column("seen_at", UtcDateTime, nullable=False, default=now(), comment="last seen"),
    sa.UniqueConstraint("model_id", "digest"),
    comment="graphs of a model; refreshed weights of one graph are one version",
)

tasks = sa.Table(
    "tasks",
    metadata,
    reference("model_version_id", model_versions, "the graph", primary_key=True),
    reference("arch_id", cpu_archs, "the CPU architecture", primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False, comment="batch size"),
    reference("workload_id", workloads, "the workload", primary_key=True),
    sa.Column("calls", sa.Integer, nullable=False, comment="calls in one inference"),
    sa.Column("weight", sa.Double, nullable=False, comment="importance of one call"),
    sa.CheckConstraint("calls > 0", name="calls"),
    # Who else has a workload: what is identical across models is tuned once.
    sa.Index("ix_tasks_workload", "arch_id", "workload_id"),
    comment="workloads of a model version per architecture and bucket",
)
