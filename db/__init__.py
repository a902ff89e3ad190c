"""The shared log database: schema, store, leases, migrations, and the dataclasses passed around.

>>> from db import open_store
>>> with open_store("sqlite:///tunefleet.db") as store:  # doctest: +SKIP
...     store.campaigns()
"""

from __future__ import annotations

from db.domain.catalog import (
    CpuArch,
    ModelVersion,
    StoredModelVersion,
    Task,
    Toolchain,
    Workload,
)
from db.domain.jobs import (
    MISSED,
    CampaignProgress,
    CampaignSpec,
    Event,
    Job,
    JobProgress,
    JobSpec,
    Lease,
    Schedule,
    WorkerInfo,
)
from db.domain.measurements import (
    REGIMES,
    BestRecord,
    ErrorKind,
    Lesson,
    Measured,
    Measurement,
    Promotion,
    measurement_uid,
)
from db.domain.reports import BestAt, Change, Look, Sample, Standing, Stats
from db.domain.retry import RetryPolicy
from db.domain.serving import LOOKUP_KINDS, ServedBucket, Serving
from db.domain.states import TRANSITIONS, CampaignState, JobAction, JobState
from db.errors import (
    CorruptDatabase,
    DatabaseUnavailable,
    DbError,
    LeaseLost,
    NotFound,
    ReadOnlyDatabase,
    SchemaMismatch,
)
from db.store.base import Store

__all__ = [
    "LOOKUP_KINDS",
    "MISSED",
    "REGIMES",
    "TRANSITIONS",
    "BestAt",
    "BestRecord",
    "CampaignProgress",
    "CampaignSpec",
    "CampaignState",
    "Change",
    "CorruptDatabase",
    "CpuArch",
    "DatabaseUnavailable",
    "DbError",
    "ErrorKind",
    "Event",
    "Job",
    "JobAction",
    "JobProgress",
    "JobSpec",
    "JobState",
    "Lease",
    "LeaseLost",
    "Lesson",
    "Look",
    "Measured",
    "Measurement",
    "ModelVersion",
    "NotFound",
    "Promotion",
    "ReadOnlyDatabase",
    "RetryPolicy",
    "Sample",
    "Schedule",
    "SchemaMismatch",
    "ServedBucket",
    "Serving",
    "Standing",
    "Stats",
    "Store",
    "StoredModelVersion",
    "Task",
    "Toolchain",
    "WorkerInfo",
    "Workload",
    "measurement_uid",
    "open_store",
]


def open_store(
    url: str | None = None,
    *,
    create: bool = True,
    read_only: bool = False,
    patience_s: float = 20.0,
) -> Store:
    """Open the shared database.

    Parameters
    ----------
    url
        ``sqlite:///PATH`` or ``postgresql+psycopg://USER@HOST/NAME``; a bare path is a SQLite
        file. Without it ``$TUNEFLEET_DB``, else ``sqlite:///tunefleet.db``.
    create
        Whether a SQLite file that is missing or empty gets the tables.
    read_only
        Whether every write raises `ReadOnlyDatabase`.
    patience_s
        Seconds that a call keeps trying while the server is away; a worker, whose work would
        otherwise be lost, has more of it than a person.

    Raises
    ------
    SchemaMismatch
        The database is at another revision; the message names the command to run.
    NotFound
        There is no such file, and it is not to be created.
    DatabaseUnavailable, ReadOnlyDatabase, CorruptDatabase
        It cannot be used; the message says what to do.
    """
    # Late: the dataclasses are imported by many that never open a store.
    from db.store._open import open_sql_store

    return open_sql_store(url, create=create, read_only=read_only, patience_s=patience_s)
