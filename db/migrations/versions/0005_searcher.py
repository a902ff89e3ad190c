"""Let campaigns choose how the configurations of templates are searched

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "campaigns",
        sa.Column("searcher", sa.Text, comment="how templates are searched; null: as by default"),
    )
