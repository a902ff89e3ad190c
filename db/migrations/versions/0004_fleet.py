"""Pause campaigns, end them by the clock, drain workers, budget single jobs

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True)
UTC = sa.DateTime(timezone=True).with_variant(sa.String(23), "sqlite")
PAUSED = sa.text("paused_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("schedules", sa.Column("changed_at", UTC, comment="put here; not due before"))
    for name, kind, comment in (
        ("ends_at", UTC, "end of its budget in wall time"),
        ("paused_at", UTC, "since when its jobs are held back"),
        ("paused_reason", sa.Text, "why, for people"),
    ):
        op.add_column("campaigns", sa.Column(name, kind, comment=comment))
    op.create_index(
        "ix_campaigns_paused",
        "campaigns",
        ["id"],
        postgresql_where=PAUSED,
        sqlite_where=PAUSED,
    )
    for name, number, comment in (
        ("trials", sa.Integer, "budget in candidates; null: the campaign's"),
        ("seconds", sa.Double, "budget in seconds; null: the campaign's"),
    ):
        op.add_column("jobs", sa.Column(name, number, comment=comment))
    op.create_index("ix_tasks_workload", "tasks", ["arch_id", "workload_id"])
    op.add_column("workers", sa.Column("stats", JSON, comment="figures of its last heartbeat"))
    for name, comment in (
        ("drain_reason", "why it is to leave after its present job"),
        ("gone_reason", "why it left, or was declared gone"),
    ):
        op.add_column("workers", sa.Column(name, sa.Text, comment=comment))
