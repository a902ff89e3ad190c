"""The entry to serving: one database, one CPU architecture, any number of models."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from db import DatabaseUnavailable, open_store
from runtime.compiler import CompiledBucket, compile_bucket
from runtime.folder import default_folder
from runtime.lookup import FallbackLookup, Lookup, Reach, RememberedChoices, no_records
from runtime.model import Model
from runtime.outputs import output_specs
from runtime.quarantine import Quarantine
from runtime.weights import WeightSchema
from tuner.arch import host_arch, resolve, runs_on, toolchain
from tuner.errors import TunerError
from tuner.graph.prepare import PreparedModel, prepare
from tuner.importers import import_model

#: Batch sizes that get kernels of their own unless the caller says otherwise.
DEFAULT_BUCKETS = (1, 16, 64, 256)


class Engine:
    """Loads models with the best kernels that a database has.

    Parameters
    ----------
    db
        URL of the log database; None takes ``TUNEFLEET_DB``, else SQLite in the working
        directory. It is read, and where a record does not apply, that record is revoked. While it
        cannot be reached, the snapshot, earlier lookups and default schedules serve.
    arch
        CPU architecture to compile for; None is this host's. Another one has to run here.
    use_records
        False serves default schedules only, for comparison.
    snapshot
        A file of ``tunefleet db export``, for when the database cannot be reached.
    cache
        Folder for what outlives the process; None is `default_folder`.
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
        patience_s: float = 2.0,
    ) -> None:
        self.arch = host_arch() if arch is None else resolve(arch)
        if not runs_on(self.arch, host_arch()):
            raise TunerError(
                f"kernels for {self.arch.name} do not run on this host ({host_arch().name})"
            )
        folder = default_folder() if cache is None else Path(cache)
        self._patience = patience_s
        self._reaches: list[Reach] = []
        self._lookup: Lookup = no_records
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
        #: Buckets compiled so far.
        self.compile_count = 0

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
        """Let go of the database; loaded models serve on."""
        self._quarantine.settle(self._patience)
        for reach in self._reaches:
            reach.close()

    def load(self, model: Any, buckets: Sequence[int] = DEFAULT_BUCKETS) -> Model:
        """Import a model and compile it for each bucket.

        Parameters
        ----------
        model
            Path to a ``.pt2`` or ``.onnx`` file, or an ``ExportedProgram``.
        buckets
            Batch sizes to specialise for, each at least 1.

        Raises
        ------
        tuner.errors.ModelError
            If it cannot be imported.
        """
        sizes = sorted(set(buckets))
        if not sizes or sizes[0] < 1:
            raise TunerError(f"buckets are batch sizes of at least 1, not {list(buckets)}")
        imported = import_model(model)
        if imported.fixed_batch is not None:
            sizes = [imported.fixed_batch]
        prepared = prepare(imported)
        schema = WeightSchema(prepared)
        weights = schema.pack(imported.params)
        # The packed copy is the one that serves: the imported one is let go.
        light = dataclasses.replace(imported, params={})
        light_prepared = dataclasses.replace(prepared, model=light)
        compiled = [self._compile(light_prepared, batch) for batch in sizes]
        return Model(
            light,
            schema,
            weights,
            compiled,
            output_specs(prepared),
            functools.partial(self._compile, light_prepared),
            arch=self.arch.name,
            toolchain=toolchain().key,
        )

    def _compile(self, prepared: PreparedModel, batch: int) -> CompiledBucket:
        self.compile_count += 1
        return compile_bucket(prepared, batch, self.arch, self._lookup, self._quarantine)

    def _reach(self, db: str | None, *, read_only: bool = True) -> Reach:
        reach = Reach(
            lambda: open_store(db, create=False, read_only=read_only), timeout_s=self._patience
        )
        self._reaches.append(reach)
        return reach
