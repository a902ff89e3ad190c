"""What can go wrong, as few leaves of one base; every message is one line that says what to do."""

from __future__ import annotations

__all__ = [
    "CorruptDatabase",
    "DatabaseUnavailable",
    "DbError",
    "LeaseLost",
    "NotFound",
    "ReadOnlyDatabase",
    "SchemaMismatch",
]


class DbError(Exception):
    """Base of everything this package raises on purpose."""


class SchemaMismatch(DbError):
    """The database is at another revision than this code; only ``db upgrade`` changes that."""


class DatabaseUnavailable(DbError):
    """The database cannot be used now: not reachable, locked, full, or access refused."""


class ReadOnlyDatabase(DbError):
    """A write was asked of a store, file or server that only reads."""


class CorruptDatabase(DbError):
    """The file is not a database, or its pages are damaged."""


class LeaseLost(DbError):
    """The job is no longer held by this token: it expired, was cancelled, or was given back.

    An outcome rather than a defect: stop the work, keep what was measured, claim the next job.
    """


class NotFound(DbError):
    """A name or an id that is not in the database."""
