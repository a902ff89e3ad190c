"""Alembic migrations; run by `db.migrate.upgrade` and by nothing else."""
