"""The store over SQL: its parts put together."""

from __future__ import annotations

from db.backend.database import Database
from db.store._best import Best
from db.store._campaigns import Campaigns
from db.store._catalog import Catalog
from db.store._lessons import Lessons
from db.store._progress import Progress
from db.store._queue import Queue
from db.store._reports import Reports
from db.store._serving import Servings
from db.store._shares import Shares
from db.store._standings import Standings
from db.store._waiting import Waiting
from db.store._workers import Workers
from db.store.base import Store


class SqlStore(
    Catalog,
    Campaigns,
    Progress,
    Queue,
    Waiting,
    Shares,
    Workers,
    Servings,
    Best,
    Standings,
    Lessons,
    Reports,
    Store,
):
    """A store in SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        #: The database, for maintenance.
        self.database = database
        self._db = database
        self._init_ids()
        self._hosts = {}
        self._known_jobs = set()
        self.url = database.backend.masked

    def close(self) -> None:
        self._db.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"
