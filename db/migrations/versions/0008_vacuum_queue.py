"""Vacuum the queue more often on PostgreSQL, so that claims do not look through taken jobs

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A job that is claimed leaves the index of those that wait, at its front; until the table is
    # vacuumed every claim passes by. The server's default waits for a fifth of the table.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE jobs SET "
            "(autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000)"
        )
