"""Tables of the work: schedules, campaigns, jobs and their story, workers."""

from __future__ import annotations

import sqlalchemy as sa

from db.domain.states import CLAIMABLE_STATES, FINAL_STATES, JobAction, JobState
from db.schema.base import BigId, Json, UtcDateTime, metadata, one_of, reference
from db.schema.catalog import cpu_archs, model_versions
from db.schema.clock import now

#: Conditions of the partial indexes. Queries repeat them word for word, or the index is not used.
CLAIMABLE = sa.text("state IN ({})".format(", ".join(f"'{s}'" for s in sorted(CLAIMABLE_STATES))))
RUNNING = sa.text(f"state = '{JobState.RUNNING}'")
PAUSED = sa.text("paused_at IS NOT NULL")
SETBACKS = sa.text("action IN ('fail', 'lose', 'quarantine', 'retry')")
UNFINISHED = sa.text("state NOT IN ({})".format(", ".join(f"'{s}'" for s in sorted(FINAL_STATES))))

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    sa.Column("name", sa.Text, nullable=False, unique=True, comment="unique name"),
    sa.Column("due", sa.Text, nullable=False, comment="when, in the scheduler's notation"),
    sa.Column("spec", Json, nullable=False, comment="what to run, the scheduler's options"),
    sa.Column("enabled", sa.Boolean, nullable=False, comment="whether it runs at all"),
    sa.Column("changed_at", UtcDateTime, default=now(), comment="put here; not due before"),
    comment="campaigns that return",
)

campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    sa.Column("key", sa.Text, unique=True, comment="makes creation safe to repeat"),
    sa.Column("name", sa.Text, nullable=False, comment="for people"),
    sa.Column("strategy", sa.Text, nullable=False, comment="autotvm, ansor or auto"),
    sa.Column("searcher", sa.Text, comment="how templates are searched; null: as by default"),
    sa.Column("trials", sa.Integer, comment="budget of each job in candidates"),
    sa.Column("seconds", sa.Double, comment="budget of each job in seconds"),
    sa.Column("seed", sa.BigInteger, nullable=False, comment="seed of every random choice"),
    sa.Column("max_failures", sa.Integer, nullable=False, comment="then quarantined"),
    sa.Column("backoff_s", sa.Double, nullable=False, comment="wait after the first failure"),
    sa.Column("backoff_max_s", sa.Double, nullable=False, comment="longest wait"),
    sa.Column(
        "created_at", UtcDateTime, nullable=False, default=now(), comment="when it was created"
    ),
    sa.Column("ends_at", UtcDateTime, comment="end of its budget in wall time"),
    sa.Column("paused_at", UtcDateTime, comment="since when its jobs are held back"),
    sa.Column("paused_reason", sa.Text, comment="why, for people"),
    # What a claim passes over; hardly ever more than one row.
    sa.Index("ix_campaigns_paused", "id", postgresql_where=PAUSED, sqlite_where=PAUSED),
    comment="one night's, or one manual, set of jobs; its state is that of its jobs",
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    reference("campaign_id", campaigns, "the campaign"),
    reference("model_version_id", model_versions, "the graph"),
    reference("arch_id", cpu_archs, "the CPU architecture"),
    sa.Column("bucket", sa.Integer, nullable=False, comment="batch size"),
    sa.Column("priority", sa.Integer, nullable=False, comment="higher goes first"),
    sa.Column("trials", sa.Integer, comment="budget in candidates; null: the campaign's"),
    sa.Column("seconds", sa.Double, comment="budget in seconds; null: the campaign's"),
    sa.Column("state", sa.Text, nullable=False, comment="see db.domain.states.JobState"),
    sa.Column("attempt", sa.Integer, nullable=False, comment="claims so far, never reused"),
    sa.Column("failures", sa.Integer, nullable=False, comment="failures and losses so far"),
    sa.Column("reason", sa.Text, nullable=False, comment="why it is where it is"),
    sa.Column("worker", sa.Text, comment="holder, or last holder; may not be registered"),
    sa.Column("token", sa.Text, comment="proof of the current or last lease"),
    sa.Column("lease_expires_at", UtcDateTime, comment="end of the current lease"),
    sa.Column("not_before", UtcDateTime, nullable=False, comment="back-off: not claimable before"),
    sa.Column("created_at", UtcDateTime, nullable=False, comment="when it was queued"),
    sa.Column("started_at", UtcDateTime, comment="first claim"),
    sa.Column("updated_at", UtcDateTime, nullable=False, comment="last change of state"),
    sa.Column("finished_at", UtcDateTime, comment="when it became final"),
    sa.UniqueConstraint("campaign_id", "model_version_id", "arch_id", "bucket"),
    one_of("state", tuple(JobState)),
    sa.CheckConstraint(
        "(state = 'running') = (lease_expires_at IS NOT NULL)", name="lease_while_running"
    ),
    sa.CheckConstraint("state <> 'running' OR token IS NOT NULL", name="token_while_running"),
    sa.CheckConstraint(
        "(state IN ('done', 'failed', 'quarantined', 'cancelled')) = (finished_at IS NOT NULL)",
        name="finished_when_final",
    ),
    # The queue. Only claimable jobs are in it, so finished ones cost a claim nothing; not_before
    # comes last so that jobs in back-off are passed over without reading their rows.
    sa.Index(
        "ix_jobs_queue",
        "arch_id",
        sa.desc("priority"),
        "id",
        "not_before",
        postgresql_where=CLAIMABLE,
        sqlite_where=CLAIMABLE,
    ),
    sa.Index(
        "ix_jobs_campaign_queue",
        "campaign_id",
        "arch_id",
        sa.desc("priority"),
        "id",
        "not_before",
        postgresql_where=CLAIMABLE,
        sqlite_where=CLAIMABLE,
    ),
    # The leases. By worker and not by end of lease, so that renewing touches no index; there are
    # only as many rows here as the fleet has workers.
    sa.Index("ix_jobs_running", "worker", postgresql_where=RUNNING, sqlite_where=RUNNING),
    sa.Index("ix_jobs_campaign_state", "campaign_id", "state"),
    # What a restarted command looks for, among all that ever ran.
    sa.Index(
        "ix_jobs_unfinished",
        "model_version_id",
        "campaign_id",
        postgresql_where=UNFINISHED,
        sqlite_where=UNFINISHED,
    ),
    # Room on each page, so that renewing a lease stays on it and touches no index; and vacuumed
    # often, because every claim passes by those that were claimed since.
    postgresql_with={
        "fillfactor": "80",
        "autovacuum_vacuum_scale_factor": "0.01",
        "autovacuum_vacuum_threshold": "1000",
    },
    comment="one model version, architecture and bucket to be tuned",
)

job_counts = sa.Table(
    "job_counts",
    metadata,
    reference("job_id", jobs, "the job", primary_key=True),
    sa.Column("error_kind", sa.Text, primary_key=True, comment="empty for valid measurements"),
    sa.Column("measurements", sa.BigInteger, nullable=False, comment="how many"),
    comment="measurements per job and outcome, kept by the insert: progress without counting",
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", BigId, primary_key=True, comment="identifier"),
    reference("job_id", jobs, "the job"),
    sa.Column("at", UtcDateTime, nullable=False, default=now(), comment="when it happened"),
    sa.Column("action", sa.Text, nullable=False, comment="see db.domain.states.JobAction"),
    sa.Column("before", sa.Text, comment="state before; null for the creation"),
    sa.Column("after", sa.Text, nullable=False, comment="state since"),
    sa.Column("attempt", sa.Integer, nullable=False, comment="attempt it happened in"),
    sa.Column("worker", sa.Text, comment="worker concerned"),
    sa.Column("reason", sa.Text, nullable=False, comment="why, for people"),
    one_of("action", tuple(JobAction)),
    sa.Index("ix_events_job", "job_id", "id"),
    # What went wrong, in order, among all that went well.
    sa.Index("ix_events_setbacks", "id", postgresql_where=SETBACKS, sqlite_where=SETBACKS),
    comment="the story of each job, append-only",
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="a fresh UUID per process"),
    sa.Column("host", sa.Text, nullable=False, comment="host name"),
    sa.Column("arch", sa.Text, nullable=False, comment="CPU architecture it measures on"),
    sa.Column("cpu", sa.Text, nullable=False, comment="CPU model name"),
    sa.Column("pid", sa.Integer, nullable=False, comment="process id on its host"),
    sa.Column("slots", sa.Integer, nullable=False, comment="candidates measured at once"),
    sa.Column("labels", Json, nullable=False, comment="anything else worth showing"),
    sa.Column(
        "started_at", UtcDateTime, nullable=False, default=now(), comment="when it registered first"
    ),
    sa.Column("seen_at", UtcDateTime, nullable=False, default=now(), comment="last heartbeat"),
    sa.Column("stats", Json, comment="figures of its last heartbeat"),
    sa.Column("drain_reason", sa.Text, comment="why it is to leave after its present job"),
    sa.Column("gone_at", UtcDateTime, comment="declared gone; its jobs were requeued before"),
    sa.Column("gone_reason", sa.Text, comment="why it left, or was declared gone"),
    comment="worker processes, past and present",
)

worker_samples = sa.Table(
    "worker_samples",
    metadata,
    sa.Column(
        "worker_id", sa.ForeignKey(workers.c.id), primary_key=True, comment="the worker process"
    ),
    sa.Column("at", UtcDateTime, primary_key=True, comment="when it told"),
    sa.Column("measured", sa.Double, nullable=False, comment="candidates so far"),
    sa.Column("failed", sa.Double, nullable=False, comment="of them without a latency"),
    sa.Column("build_s", sa.Double, nullable=False, comment="seconds spent building so far"),
    sa.Column("measure_s", sa.Double, nullable=False, comment="seconds spent measuring so far"),
    sa.Column("validate_s", sa.Double, nullable=False, comment="seconds spent comparing so far"),
    sa.Column("calibrate_s", sa.Double, nullable=False, comment="seconds spent calibrating so far"),
    sa.Column("fma_gflops", sa.Double, comment="speed of its core at its last calibration"),
    comment="figures of workers over time: counters that only grow, every few heartbeats",
)
