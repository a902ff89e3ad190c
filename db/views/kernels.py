"""Every kernel of the latest models, with the record that serves it: what coverage is made of."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from db.schema import catalog
from db.store._part import Row
from db.views import _kernels
from db.views._time import clock

#: Days after which a record counts as stale: as in ``tunefleet nightly add --stale-days``.
STALE_DAYS = 30.0


@dataclass(slots=True, eq=False)
class Kernel:
    """A workload in one bucket of one model on one CPU architecture.

    Not frozen, though nobody changes it: pages make ten thousand of them, and a frozen one takes
    three times as long to make. Equal only to itself: while what is known of it does not change
    it is the same object, and what pages make of it can be kept by it.
    """

    #: Name of the model.
    model: str
    #: Identifier of its version.
    model_version: int
    #: Name of the CPU architecture.
    arch: str
    #: Batch size.
    bucket: int
    #: Digest of the workload.
    workload: str
    #: Name of the workload, for people.
    name: str
    #: Kind of operator.
    op_kind: str
    #: Operations of one call.
    flops: float
    #: Bytes that one call moves.
    bytes: float
    #: Calls in one inference.
    calls: int
    #: Seconds per call with the best record; ``None`` if it is untuned.
    best_secs: float | None
    #: Seconds per call of the default schedule when the record was made.
    default_secs: float | None
    #: Part of the speed that the measuring core could reach, 0 to 1.
    roofline: float | None
    #: When the record became the best.
    recorded_at: datetime | None
    #: Whether the record is of an earlier toolchain, or old.
    stale: bool

    @property
    def tuned(self) -> bool:
        """Whether it has a record."""
        return self.best_secs is not None

    @property
    def speedup(self) -> float | None:
        """How many times faster than its default schedule."""
        if self.best_secs is None or self.default_secs is None:
            return None
        return self.default_secs / self.best_secs

    @property
    def family(self) -> str:
        """Its name without the batch size: what it has in common with itself in other buckets."""
        # The size stands behind a space, as in "dense 16x512x415".
        return self.name.replace(f" {self.bucket}x", " N\N{MULTIPLICATION SIGN}", 1)


def latest_versions(connection: sa.Connection) -> dict[int, str]:
    """The newest version of each model, and the model's name."""
    versions, models = catalog.model_versions, catalog.models
    query = (
        sa.select(models.c.name, versions.c.id)
        .join(models, models.c.id == versions.c.model_id)
        .order_by(versions.c.seen_at, versions.c.id)
    )
    # The last of each name stays.
    newest: dict[str, int] = {row.name: row.id for row in connection.execute(query).all()}
    return {id_: name for name, id_ in sorted(newest.items())}


def traffic(connection: sa.Connection) -> dict[str, Mapping[int, float]]:
    """Share of the calls per bucket, by model, as the latest version of each was told."""
    versions = catalog.model_versions
    latest = latest_versions(connection)
    query = sa.select(versions.c.id, versions.c.traffic).where(versions.c.id.in_(latest))
    return {
        latest[id_]: {int(bucket): float(share) for bucket, share in shares}
        for id_, shares in connection.execute(query).all()
    }


class Kernels:
    """Kernels of model versions, read once and then kept up with what changes.

    What is told of a workload, or by a promotion, never changes, so it is read once. Which tasks
    there are and which promotions stand is compared by sums: a look at what did not change costs a
    few small queries, a look after a promotion reads that promotion.

    Of one database, and not for two threads at once.
    """

    def __init__(self) -> None:
        self._tasks: Sequence[Row] = ()
        #: By identifier, in the order of the query's columns.
        self._workloads: dict[int, tuple[Any, ...]] = {}
        #: Promotions by workload, architecture, toolchain and regime; all that stand.
        self._best: dict[tuple[int, int, int, str], int] = {}
        #: What they say by identifier, in the order of the query's columns.
        self._promotions: dict[int, tuple[Any, ...]] = {}
        self._kernels: list[Kernel] = []
        #: What promotions said of each of these.
        self._said: list[tuple[Any, ...]] = []
        self._made_of: tuple[object, ...] = ()
        #: When the next record becomes stale.
        self._ages_at = datetime.max.replace(tzinfo=UTC)

    def latest(self, connection: sa.Connection) -> list[Kernel]:
        """Kernels of the latest version of every model."""
        return self.of(connection, latest_versions(connection))

    def of(self, connection: sa.Connection, versions: Mapping[int, str]) -> list[Kernel]:
        """Kernels by version, architecture and bucket; the same object if nothing changed.

        Of several toolchains the newest counts; if it has no record, the newest that has one, and
        the record is stale.

        Parameters
        ----------
        connection
            In a transaction that sees one moment.
        versions
            Identifiers of model versions, and the names of their models.
        """
        ids = list(versions)
        toolchain, *sums = connection.execute(_kernels.sums(ids)).one()
        now = clock(connection)
        made_of = (dict(versions), tuple(sums[:3]), tuple(sums[3:]), toolchain)
        if self._made_of == made_of and now < self._ages_at:
            return self._kernels
        if self._made_of[:2] != made_of[:2]:
            self._tasks = connection.execute(_kernels.tasks_of(ids)).all()
            rows = connection.execute(_kernels.named(ids)).all()
            self._workloads = {id_: tuple(told) for id_, *told in rows}
            self._kernels, self._said = [], []
        self._keep_up(connection, *sums[3:])
        self._kernels = self._make(connection, versions, toolchain, now)
        self._made_of = made_of
        return self._kernels

    def _keep_up(self, connection: sa.Connection, number: int, total: int, newest: int) -> None:
        """Read the promotions that stand and are not known."""
        last = max(self._best.values(), default=0)
        if newest > last:
            self._best.update(_by_key(connection.execute(_kernels.best_since(last)).all()))
        if (len(self._best), sum(self._best.values())) != (number, total):
            # Rolled back; or committed after one that began later.
            self._best = _by_key(connection.execute(_kernels.best_since(0)).all())

    def _make(
        self, connection: sa.Connection, versions: Mapping[int, str], toolchain: int, now: datetime
    ) -> list[Kernel]:
        # The newest toolchain comes last, and stays.
        in_order = sorted(self._best.items(), key=lambda one: one[0][2])
        standing = {
            (workload, arch): promotion
            for (workload, arch, _, regime), promotion in in_order
            if regime == "warm" and workload in self._workloads
        }
        records = self._records(connection, standing.values(), toolchain, now)
        said = [records[standing.get((of, on))] for _, _, on, _, _, of in self._tasks]
        known: Iterable[Kernel | None] = self._kernels or itertools.repeat(None)
        before: Iterable[tuple[Any, ...]] = self._said or said
        self._said = said
        return [
            self._one(task, versions, now_said) if kernel is None or now_said != once else kernel
            for task, kernel, now_said, once in zip(self._tasks, known, said, before, strict=False)
        ]

    def _one(self, task: Row, versions: Mapping[int, str], said: tuple[Any, ...]) -> Kernel:
        version, arch, _, bucket, calls, workload = task
        digest, name, op_kind, flops, moved = self._workloads[workload]
        place = (versions[version], version, arch, bucket)
        return Kernel(*place, digest, name, op_kind, flops, moved, calls, *said)

    def _records(
        self, connection: sa.Connection, ids: Collection[int], newest: int, now: datetime
    ) -> dict[int | None, tuple[Any, ...]]:
        """What promotions say of a kernel, and whether they are stale; of none, for ``None``."""
        known = self._promotions
        unknown = sorted(set(ids) - known.keys())
        read = {id_: tuple(told) for id_, *told in _kernels.told(connection, unknown)}
        self._promotions = {id_: known[id_] if id_ in known else read[id_] for id_ in ids}
        days = timedelta(days=STALE_DAYS)
        records: dict[int | None, tuple[Any, ...]] = {None: (None, None, None, None, False)}
        oldest = now
        for id_, (*told, at, toolchain) in self._promotions.items():
            stale = toolchain != newest or at < now - days
            records[id_] = (*told, at, stale)
            if not stale and at < oldest:
                oldest = at
        self._ages_at = oldest + days
        return records


def _by_key(rows: Iterable[Row]) -> dict[tuple[int, int, int, str], int]:
    return {(of, arch, toolchain, regime): id_ for of, arch, toolchain, regime, id_ in rows}
