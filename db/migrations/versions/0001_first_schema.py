"""The first schema

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True)
UTC = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")
CLAIMABLE = sa.text("state IN ('lost', 'queued')")


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=True, comment="makes creation safe to repeat"),
        sa.Column("name", sa.Text(), nullable=False, comment="for people"),
        sa.Column("strategy", sa.Text(), nullable=False, comment="autotvm, ansor or auto"),
        sa.Column(
            "trials", sa.Integer(), nullable=True, comment="budget of each job in candidates"
        ),
        sa.Column("seconds", sa.Double(), nullable=True, comment="budget of each job in seconds"),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("max_failures", sa.Integer(), nullable=False, comment="then quarantined"),
        sa.Column("backoff_s", sa.Double(), nullable=False, comment="wait after the first failure"),
        sa.Column("backoff_max_s", sa.Double(), nullable=False, comment="longest wait"),
        sa.Column("created_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("key", name=op.f("uq_campaigns_key")),
        comment="one night's, or one manual, set of jobs; its state is that of its jobs",
    )
    op.create_table(
        "cpu_archs",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="LLVM cpu name"),
        sa.Column("isa_level", sa.Text(), nullable=False, comment="e.g. x86-64-v4"),
        sa.Column("features", JSON, nullable=False, comment="list of LLVM feature names"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cpu_archs")),
        sa.UniqueConstraint("name", name=op.f("uq_cpu_archs_name")),
        comment="CPU generations that kernels are tuned for",
    )
    op.create_table(
        "hosts",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="host name"),
        sa.Column("cpu", sa.Text(), nullable=False, comment="CPU model name"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hosts")),
        sa.UniqueConstraint("name", "cpu", name=op.f("uq_hosts_name_cpu")),
        comment="machines that measured something",
    )
    op.create_table(
        "models",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", name=op.f("uq_models_name")),
        comment="models by name",
    )
    op.create_table(
        "schedules",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("due", sa.Text(), nullable=False, comment="when, in the scheduler's notation"),
        sa.Column("spec", JSON, nullable=False, comment="what to run, the scheduler's options"),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("name", name=op.f("uq_schedules_name")),
        comment="campaigns that return",
    )
    op.create_table(
        "toolchains",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="hash of the three versions"),
        sa.Column("tvm", sa.Text(), nullable=False, comment="TVM version"),
        sa.Column("llvm", sa.Text(), nullable=False, comment="LLVM version"),
        sa.Column("templates", sa.Text(), nullable=False, comment="version of our templates"),
        sa.Column("added_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_toolchains")),
        sa.UniqueConstraint("key", name=op.f("uq_toolchains_key")),
        comment="what turns a trace into machine code",
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False, comment="a fresh UUID per process"),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("cpu", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False, comment="candidates measured at once"),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("started_at", UTC, nullable=False),
        sa.Column("seen_at", UTC, nullable=False, comment="last heartbeat"),
        sa.Column(
            "gone_at", UTC, nullable=True, comment="declared gone; its jobs were requeued before"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        comment="worker processes, past and present",
    )
    op.create_table(
        "workloads",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column(
            "digest", sa.Text(), nullable=False, comment="SHA-256 of the normalised function"
        ),
        sa.Column("op_kind", sa.Text(), nullable=False, comment="kind of operator"),
        sa.Column("name", sa.Text(), nullable=False, comment="one line for people"),
        sa.Column("shapes", JSON, nullable=False, comment="shapes of the arguments"),
        sa.Column("dtype", sa.Text(), nullable=False, comment="element type"),
        sa.Column("flops", sa.Double(), nullable=False, comment="operations of one call"),
        sa.Column("bytes", sa.Double(), nullable=False, comment="bytes moved by one call"),
        sa.Column("tir", sa.Text(), nullable=False, comment="the function as TVM JSON"),
        sa.Column("added_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workloads")),
        sa.UniqueConstraint("digest", name=op.f("uq_workloads_digest")),
        comment="fused functions to be tuned",
    )
    op.create_table(
        "model_versions",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("model_id", BIG_ID, nullable=False),
        sa.Column(
            "digest", sa.Text(), nullable=False, comment="SHA-256 of the graph without weights"
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="path or address, as given last"),
        sa.Column(
            "input_schema", JSON, nullable=False, comment="names, shapes, dtypes of the inputs"
        ),
        sa.Column("traffic", JSON, nullable=False, comment="list of [bucket, share of traffic]"),
        sa.Column("added_at", UTC, nullable=False, comment="first seen"),
        sa.Column("seen_at", UTC, nullable=False, comment="last seen"),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_model_versions_model_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("model_id", "digest", name=op.f("uq_model_versions_model_id_digest")),
        comment="graphs of a model; refreshed weights of one graph are one version",
    )
    op.create_table(
        "tuning_records",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("workload_id", BIG_ID, nullable=False),
        sa.Column("candidate", sa.Text(), nullable=False, comment="SHA-256 of the candidate"),
        sa.Column("config", JSON, nullable=True, comment="knob values of a template"),
        sa.Column("trace", sa.Text(), nullable=True, comment="MetaSchedule trace as JSON"),
        sa.ForeignKeyConstraint(
            ["workload_id"], ["workloads.id"], name=op.f("fk_tuning_records_workload_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tuning_records")),
        sa.UniqueConstraint(
            "workload_id", "candidate", name=op.f("uq_tuning_records_workload_id_candidate")
        ),
        comment="candidates, each stored once however often it is measured",
    )
    op.create_table(
        "jobs",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("campaign_id", BIG_ID, nullable=False),
        sa.Column("model_version_id", BIG_ID, nullable=False),
        sa.Column("arch_id", BIG_ID, nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False, comment="batch size"),
        sa.Column("priority", sa.Integer(), nullable=False, comment="higher goes first"),
        sa.Column("state", sa.Text(), nullable=False, comment="see db.domain.states.JobState"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="claims so far, never reused"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="failures and losses so far"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it is where it is"),
        sa.Column(
            "worker",
            sa.Text(),
            nullable=True,
            comment="holder, or last holder; may not be registered",
        ),
        sa.Column("token", sa.Text(), nullable=True, comment="proof of the current or last lease"),
        sa.Column("lease_expires_at", UTC, nullable=True, comment="end of the current lease"),
        sa.Column("not_before", UTC, nullable=False, comment="back-off: not claimable before"),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("started_at", UTC, nullable=True, comment="first claim"),
        sa.Column("updated_at", UTC, nullable=False, comment="last change of state"),
        sa.Column("finished_at", UTC, nullable=True, comment="when it became final"),
        sa.CheckConstraint(
            "(state = 'running') = (lease_expires_at IS NOT NULL)",
            name=op.f("ck_jobs_lease_while_running"),
        ),
        sa.CheckConstraint(
            "(state IN ('done', 'failed', 'quarantined', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_jobs_finished_when_final"),
        ),
        sa.CheckConstraint(
            "state <> 'running' OR token IS NOT NULL", name=op.f("ck_jobs_token_while_running")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'lost', 'quarantined', 'cancelled')",
            name=op.f("ck_jobs_state"),
        ),
        sa.ForeignKeyConstraint(["arch_id"], ["cpu_archs.id"], name=op.f("fk_jobs_arch_id")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_jobs_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_jobs_model_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint(
            "campaign_id",
            "model_version_id",
            "arch_id",
            "bucket",
            name=op.f("uq_jobs_campaign_id_model_version_id_arch_id_bucket"),
        ),
        comment="one model version, architecture and bucket to be tuned",
    )
    op.create_index("ix_jobs_campaign_state", "jobs", ["campaign_id", "state"], unique=False)
    for name, columns in (
        ("ix_jobs_queue", ("arch_id",)),
        ("ix_jobs_campaign_queue", ("campaign_id", "arch_id")),
    ):
        op.create_index(
            name,
            "jobs",
            [*columns, sa.text("priority DESC"), "id", "not_before"],
            unique=False,
            postgresql_where=CLAIMABLE,
            sqlite_where=CLAIMABLE,
        )
    op.create_index(
        "ix_jobs_running",
        "jobs",
        ["worker"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
        sqlite_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "tasks",
        sa.Column("model_version_id", BIG_ID, nullable=False),
        sa.Column("arch_id", BIG_ID, nullable=False),
        sa.Column(
            "bucket", sa.Integer(), autoincrement=False, nullable=False, comment="batch size"
        ),
        sa.Column("workload_id", BIG_ID, nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False, comment="calls in one inference"),
        sa.Column("weight", sa.Double(), nullable=False, comment="importance of one call"),
        sa.CheckConstraint("calls > 0", name=op.f("ck_tasks_calls")),
        sa.ForeignKeyConstraint(["arch_id"], ["cpu_archs.id"], name=op.f("fk_tasks_arch_id")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_tasks_model_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["workload_id"], ["workloads.id"], name=op.f("fk_tasks_workload_id")
        ),
        sa.PrimaryKeyConstraint(
            "model_version_id", "arch_id", "bucket", "workload_id", name=op.f("pk_tasks")
        ),
        comment="workloads of a model version per architecture and bucket",
    )
    op.create_table(
        "events",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("job_id", BIG_ID, nullable=False),
        sa.Column("at", UTC, nullable=False),
        sa.Column("action", sa.Text(), nullable=False, comment="see db.domain.states.JobAction"),
        sa.Column(
            "before", sa.Text(), nullable=True, comment="state before; null for the creation"
        ),
        sa.Column("after", sa.Text(), nullable=False, comment="state since"),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "action IN ('create', 'claim', 'finish', 'release', 'retry', 'fail', 'lose', "
            "'quarantine', 'cancel', 'requeue')",
            name=op.f("ck_events_action"),
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_events_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        comment="the story of each job, append-only",
    )
    op.create_index("ix_events_job", "events", ["job_id", "id"], unique=False)
    op.create_table(
        "job_counts",
        sa.Column("job_id", BIG_ID, nullable=False),
        sa.Column("error_kind", sa.Text(), nullable=False, comment="empty for valid measurements"),
        sa.Column("measurements", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_counts_job_id")),
        sa.PrimaryKeyConstraint("job_id", "error_kind", name=op.f("pk_job_counts")),
        comment="measurements per job and outcome, kept by the insert: progress without counting",
    )
    op.create_table(
        "measurements",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False, comment="makes inserts idempotent"),
        sa.Column("job_id", BIG_ID, nullable=True, comment="null when imported"),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("workload_id", BIG_ID, nullable=False),
        sa.Column("arch_id", BIG_ID, nullable=False),
        sa.Column("toolchain_id", BIG_ID, nullable=False),
        sa.Column("record_id", BIG_ID, nullable=False),
        sa.Column("host_id", BIG_ID, nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False, comment="who proposed the candidate"),
        sa.Column("regime", sa.Text(), nullable=False, comment="warm or cold weights"),
        sa.Column("median", sa.Double(), nullable=True, comment="seconds per call; null on error"),
        sa.Column("spread", sa.Double(), nullable=True, comment="interquartile range over median"),
        sa.Column("run_secs", JSON, nullable=False, comment="seconds per call, one per repeat"),
        sa.Column(
            "error_kind", sa.Text(), nullable=True, comment="see db.domain.measurements.ErrorKind"
        ),
        sa.Column("error_text", sa.Text(), nullable=True),
        sa.Column("core", sa.Integer(), nullable=True, comment="core it was pinned to"),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("calibration", JSON, nullable=False, comment="speed of the host at that moment"),
        sa.Column("build_secs", sa.Double(), nullable=True),
        sa.Column("measured_at", UTC, nullable=False, comment="when stored"),
        sa.CheckConstraint(
            "error_kind IN ('invalid_schedule', 'build_error', "
            "'build_timeout', 'run_error', 'run_crash', 'run_timeout', 'wrong_result')",
            name=op.f("ck_measurements_error_kind"),
        ),
        sa.CheckConstraint("regime IN ('warm', 'cold')", name=op.f("ck_measurements_regime")),
        sa.CheckConstraint(
            "(median IS NULL) = (error_kind IS NOT NULL)",
            name=op.f("ck_measurements_value_or_error"),
        ),
        sa.ForeignKeyConstraint(
            ["arch_id"], ["cpu_archs.id"], name=op.f("fk_measurements_arch_id")
        ),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name=op.f("fk_measurements_host_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_measurements_job_id")),
        sa.ForeignKeyConstraint(
            ["record_id"], ["tuning_records.id"], name=op.f("fk_measurements_record_id")
        ),
        sa.ForeignKeyConstraint(
            ["toolchain_id"], ["toolchains.id"], name=op.f("fk_measurements_toolchain_id")
        ),
        sa.ForeignKeyConstraint(
            ["workload_id"], ["workloads.id"], name=op.f("fk_measurements_workload_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measurements")),
        sa.UniqueConstraint("uid", name=op.f("uq_measurements_uid")),
        comment="every attempt, good or bad; append-only, thinned out by prune",
    )
    op.create_index("ix_measurements_job", "measurements", ["job_id", "id"], unique=False)
    op.create_index(
        "ix_measurements_key",
        "measurements",
        ["workload_id", "arch_id", "toolchain_id", "regime", "median"],
        unique=False,
    )
    op.create_index("ix_measurements_record", "measurements", ["record_id"], unique=False)
    op.create_table(
        "promotions",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("workload_id", BIG_ID, nullable=False),
        sa.Column("arch_id", BIG_ID, nullable=False),
        sa.Column("toolchain_id", BIG_ID, nullable=False),
        sa.Column("regime", sa.Text(), nullable=False),
        sa.Column("measurement_id", BIG_ID, nullable=False),
        sa.Column("record_id", BIG_ID, nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("run_secs", sa.Double(), nullable=False, comment="confirmed median"),
        sa.Column(
            "default_secs", sa.Double(), nullable=True, comment="the default schedule, same host"
        ),
        sa.Column("validation", JSON, nullable=False, comment="inputs, tolerances, largest error"),
        sa.Column("promoted_at", UTC, nullable=False),
        sa.Column("revoked_at", UTC, nullable=True, comment="rolled back; its candidate stays out"),
        sa.Column("revoked_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("regime IN ('warm', 'cold')", name=op.f("ck_promotions_regime")),
        sa.CheckConstraint("run_secs > 0", name=op.f("ck_promotions_run_secs")),
        sa.ForeignKeyConstraint(["arch_id"], ["cpu_archs.id"], name=op.f("fk_promotions_arch_id")),
        sa.ForeignKeyConstraint(
            ["measurement_id"], ["measurements.id"], name=op.f("fk_promotions_measurement_id")
        ),
        sa.ForeignKeyConstraint(
            ["record_id"], ["tuning_records.id"], name=op.f("fk_promotions_record_id")
        ),
        sa.ForeignKeyConstraint(
            ["toolchain_id"], ["toolchains.id"], name=op.f("fk_promotions_toolchain_id")
        ),
        sa.ForeignKeyConstraint(
            ["workload_id"], ["workloads.id"], name=op.f("fk_promotions_workload_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
        comment="every record that was the best of its key, in order: the history",
    )
    op.create_index(
        "ix_promotions_key",
        "promotions",
        ["workload_id", "arch_id", "toolchain_id", "regime", "id"],
        unique=False,
    )
    op.create_index("ix_promotions_measurement", "promotions", ["measurement_id"], unique=False)
    op.create_index("ix_promotions_promoted_at", "promotions", ["promoted_at"], unique=False)
    op.create_index("ix_promotions_record", "promotions", ["record_id"], unique=False)
    op.create_table(
        "best_records",
        sa.Column("workload_id", BIG_ID, nullable=False),
        sa.Column("arch_id", BIG_ID, nullable=False),
        sa.Column("toolchain_id", BIG_ID, nullable=False),
        sa.Column("regime", sa.Text(), nullable=False),
        sa.Column("promotion_id", BIG_ID, nullable=False),
        sa.Column(
            "run_secs", sa.Double(), nullable=False, comment="decides the conditional upsert"
        ),
        sa.ForeignKeyConstraint(
            ["arch_id"], ["cpu_archs.id"], name=op.f("fk_best_records_arch_id")
        ),
        sa.ForeignKeyConstraint(
            ["promotion_id"], ["promotions.id"], name=op.f("fk_best_records_promotion_id")
        ),
        sa.ForeignKeyConstraint(
            ["toolchain_id"], ["toolchains.id"], name=op.f("fk_best_records_toolchain_id")
        ),
        sa.ForeignKeyConstraint(
            ["workload_id"], ["workloads.id"], name=op.f("fk_best_records_workload_id")
        ),
        sa.PrimaryKeyConstraint(
            "workload_id", "arch_id", "toolchain_id", "regime", name=op.f("pk_best_records")
        ),
        comment="the fastest validated record of each key",
    )
    op.create_index("ix_best_records_promotion", "best_records", ["promotion_id"], unique=False)
