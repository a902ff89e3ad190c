"""Say what every column means

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: Table and column -> what it means.
COMMENTS = {
    "campaigns.id": "identifier",
    "campaigns.seed": "seed of every random choice",
    "campaigns.created_at": "when it was created",
    "cpu_archs.id": "identifier",
    "hosts.id": "identifier",
    "models.id": "identifier",
    "models.name": "unique name",
    "schedules.id": "identifier",
    "schedules.name": "unique name",
    "schedules.enabled": "whether it runs at all",
    "toolchains.id": "identifier",
    "toolchains.added_at": "when it was added",
    "workers.host": "host name",
    "workers.arch": "CPU architecture it measures on",
    "workers.cpu": "CPU model name",
    "workers.pid": "process id on its host",
    "workers.labels": "anything else worth showing",
    "workers.started_at": "when it registered first",
    "workloads.id": "identifier",
    "workloads.added_at": "when it was added",
    "model_versions.id": "identifier",
    "model_versions.model_id": "the model",
    "tuning_records.id": "identifier",
    "tuning_records.workload_id": "the workload",
    "jobs.id": "identifier",
    "jobs.campaign_id": "the campaign",
    "jobs.model_version_id": "the graph",
    "jobs.arch_id": "the CPU architecture",
    "jobs.created_at": "when it was queued",
    "tasks.model_version_id": "the graph",
    "tasks.arch_id": "the CPU architecture",
    "tasks.workload_id": "the workload",
    "events.id": "identifier",
    "events.job_id": "the job",
    "events.at": "when it happened",
    "events.attempt": "attempt it happened in",
    "events.worker": "worker concerned",
    "events.reason": "why, for people",
    "job_counts.job_id": "the job",
    "job_counts.measurements": "how many",
    "measurements.id": "identifier",
    "measurements.attempt": "attempt of the job",
    "measurements.workload_id": "the workload",
    "measurements.arch_id": "the CPU architecture",
    "measurements.toolchain_id": "the toolchain",
    "measurements.record_id": "the candidate",
    "measurements.host_id": "where it ran",
    "measurements.error_text": "what was reported, for people",
    "measurements.threads": "threads of the kernel",
    "measurements.build_secs": "seconds spent building",
    "promotions.id": "identifier",
    "promotions.workload_id": "the workload",
    "promotions.arch_id": "the CPU architecture",
    "promotions.toolchain_id": "the toolchain",
    "promotions.regime": "warm or cold weights",
    "promotions.measurement_id": "the measurement it rests on",
    "promotions.record_id": "the candidate",
    "promotions.strategy": "who found it",
    "promotions.promoted_at": "when it became the best",
    "promotions.revoked_reason": "why it was rolled back",
    "best_records.workload_id": "the workload",
    "best_records.arch_id": "the CPU architecture",
    "best_records.toolchain_id": "the toolchain",
    "best_records.regime": "warm or cold weights",
    "best_records.promotion_id": "the promotion that stands",
}


def upgrade() -> None:
    # SQLite keeps no comments.
    if op.get_bind().dialect.name == "postgresql":
        for column, comment in COMMENTS.items():
            op.execute(f"COMMENT ON COLUMN {column} IS '{comment}'")
