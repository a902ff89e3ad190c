"""Find unfinished jobs by their model; leave room for renewals

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("state NOT IN ('cancelled', 'done', 'failed', 'quarantined')")


def upgrade() -> None:
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["model_version_id", "campaign_id"],
        postgresql_where=UNFINISHED,
        sqlite_where=UNFINISHED,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE jobs SET (fillfactor = 80)")
