"""The entry to serving: one database, one CPU architecture, any number of models."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from db import DatabaseUnavailable, DbError, open_store
from runtime.arenas import ARENAS
from runtime.blueprint import Blueprint
from runtime.build_order import BuildOrder
from runtime.cache import DiskCache, NoCache, graph_key
from runtime.compiler import BucketCompiler
from runtime.folder import default_folder
from runtime.inputs import InputChecker
from runtime.keeper import Keeper
from runtime.lookup import FallbackLookup, Lookup, NoRecords, Reach, RememberedChoices
from runtime.model import Model
from runtime.quarantine import Quarantine
from runtime.served import Version
from runtime.telling import Telling
from runtime.threads import BUILDING
from runtime.weights import PackedWeights, WeightSchema
from tuner.arch import host_arch, resolve, runs_on, toolchain
from tuner.errors import TunerError
from tuner.graph.prepare import prepare
from tuner.importers import import_model, read_weights

_log = logging.getLogger(__name__)

#: Seconds between two looks at what was missed: once a day.
_MISSES_S = 86_400.0
#: Seconds between two times that the database is told what serves.
_TELLING_S = 60.0
#: Batch sizes that get kernels of their own unless the caller says otherwise.
DEFAULT_BUCKETS = (1, 16, 64, 256)


class Engine:
    """Loads models with the best kernels that a database has.

    Parameters
    ----------
    db
        URL of the log database; None takes ``TUNEFLEET_DB``, else SQLite in the working
        directory. It is read; a record that does not apply is revoked, and what serves is told
        about once a minute. While it cannot be reached, the snapshot, earlier lookups and default
        schedules serve.
    arch
        CPU architecture to compile for; None is this host's. Another one has to run here.
    use_records
        False serves default schedules only, for comparison.
    snapshot
        A file of ``tunefleet db export``, for when the database cannot be reached.
    cache
        Folder for what outlives the process; None is `default_folder`.
    cache_bytes
        Size that the compiled code in it may have; 0 keeps none.
    update_s
        Models adopt new records every so many seconds; None leaves that to `Model.update`.
    idle_s
        Memory of threads that called no model for so long goes back to the system.
    patience_s
        Longest wait for an answer of the database; after that it counts as out of reach.

    Raises
    ------
    db.DbError
        If the database is absent or of another revision.
    tuner.errors.UnknownArchitecture
        If there is no such architecture.
    """

    def __init__(
        self,
        db: str | None = None,
        *,
        arch: str | None = None,
        use_records: bool = True,
        snapshot: str | os.PathLike[str] | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_bytes: int = 1 << 30,
        update_s: float | None = None,
        idle_s: float = 60.0,
        patience_s: float = 2.0,
    ) -> None:
        self.arch = host_arch() if arch is None else resolve(arch)
        if not runs_on(self.arch, host_arch()):
            raise TunerError(
                f"kernels for {self.arch.name} do not run on this host ({host_arch().name})"
            )
        folder = default_folder() if cache is None else Path(cache)
        self._cache = DiskCache(folder / "code", cache_bytes) if cache_bytes else NoCache()
        self._patience = patience_s
        self._reaches: list[Reach] = []
        self._lookup: Lookup = NoRecords()
        writable = None
        if use_records:
            database = self._reach(db)
            with contextlib.suppress(DatabaseUnavailable):
                # What is wrong with the database is told now, unless it is only out of reach.
                database.ask(lambda store: store.archs())
            writable = self._reach(db, read_only=False)
            kept = None if snapshot is None else self._reach(str(snapshot))
            self._lookup = FallbackLookup(database, kept, RememberedChoices(folder))
        self._quarantine = Quarantine(writable)
        self._writable = writable
        self._telling = None if writable is None else Telling(writable, self.arch)
        self._models: weakref.WeakSet[Model] = weakref.WeakSet()
        chores: list[tuple[float, Callable[[], object]]] = [
            (idle_s / 2, functools.partial(ARENAS.release, idle=True))
        ]
        if use_records:
            chores.append((_MISSES_S, _weakly(self.queue_misses)))
            chores.append((_TELLING_S, _weakly(self.tell)))
        if update_s is not None:
            chores.append((update_s, _weakly(self.update)))
        self._keeper = Keeper(chores)
        # An engine that nobody closed is kept alive by its models alone.
        weakref.finalize(self, self._keeper.close)
        #: Buckets compiled so far; those read from disk do not count.
        self.compile_count = 0
        self._counting = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Queue what was missed, and let go of the database; loaded models serve on."""
        self._keeper.close()
        self.queue_misses()
        self.tell()
        self._quarantine.settle(self._patience)
        for reach in self._reaches:
            reach.close()

    def update(self) -> None:
        """Have every model adopt what the database has learnt since."""
        for model in tuple(self._models):
            model.update()

    def tell(self) -> None:
        """Tell the database what the models are served with, as is done about once a minute."""
        if self._telling is not None:
            self._telling.tell(tuple(self._models))

    def queue_misses(self) -> None:
        """Queue what the models missed as jobs for the next night, weighted by their calls."""
        if self._writable is None:
            return
        for model in tuple(self._models):
            missed = model.missed()
            if missed is None:
                continue
            try:
                self._writable.ask(functools.partial(missed.queue, arch=self.arch))
            except DbError as error:
                _log.warning("what was missed is not queued: %s", error)

    def load(
        self,
        model: Any,
        buckets: Sequence[int] = DEFAULT_BUCKETS,
        *,
        traffic: Mapping[int, float] | None = None,
        wait: bool = True,
    ) -> Model:
        """Import a model and compile it for each bucket; what disk still has is read.

        Parameters
        ----------
        model
            Path to a ``.pt2`` or ``.onnx`` file, or an ``ExportedProgram``.
        buckets
            Batch sizes to specialise for, each at least 1.
        traffic
            Share of the calls by batch size: the hottest buckets are compiled first.
        wait
            False returns as soon as anything can serve, which at first is slow code for any batch;
            buckets take over one by one, in the order of `traffic` and of the calls that come in.

        Raises
        ------
        tuner.errors.ModelError
            If it cannot be imported.
        """
        sizes = sorted(set(buckets))
        if not sizes or sizes[0] < 1:
            raise TunerError(f"buckets are batch sizes of at least 1, not {list(buckets)}")
        version, weights = self._open_version(model)
        fixed = version.blueprint.model.fixed_batch
        order = BuildOrder(sizes if fixed is None else [fixed], traffic or {}, wait_for_all=wait)
        loaded = Model(
            version,
            weights,
            order,
            self._open_version,
            arch=self.arch.name,
            toolchain=toolchain().key,
        )
        self._models.add(loaded)
        return loaded

    def _open_version(self, source: Any) -> tuple[Version, PackedWeights]:
        """Everything of a model but its code; the graph is only read if it is a new one."""
        blueprint = None
        if isinstance(source, (str, os.PathLike)):
            weights, fingerprint = read_weights(source)
            if fingerprint is not None:
                blueprint = self._cache.get(graph_key(fingerprint))
        if blueprint is None:
            with BUILDING:
                imported = import_model(source)
                blueprint = Blueprint.of(prepare(imported))
            weights = imported.params
            if imported.fingerprint is not None:
                self._cache.put(graph_key(imported.fingerprint), blueprint)
        else:
            named = dataclasses.replace(blueprint.model, source=str(source))
            blueprint = dataclasses.replace(blueprint, model=named)
        schema = WeightSchema(blueprint.layouts, blueprint.weights, blueprint.model.unused)
        compiler = BucketCompiler(
            blueprint, self.arch, self._lookup, self._quarantine, self._cache, self._count
        )
        check = InputChecker(blueprint.model)
        # The packed copy is the one that serves: the imported one is let go.
        return Version(blueprint, schema, check, compiler), schema.pack(weights)

    def _count(self) -> None:
        with self._counting:
            self.compile_count += 1

    def _reach(self, db: str | None, *, read_only: bool = True) -> Reach:
        reach = Reach(
            lambda: open_store(db, create=False, read_only=read_only), timeout_s=self._patience
        )
        self._reaches.append(reach)
        return reach


def _weakly(method: Callable[[], object]) -> Callable[[], object]:
    """A method to be called again and again that does not keep its object alive."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        alive = reference()
        if alive is not None:
            alive()

    return call
