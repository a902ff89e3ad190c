"""A loaded model: called with any batch, by any number of threads, refreshed while it serves."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from runtime.arenas import ARENAS
from runtime.build_order import BuildOrder
from runtime.compiler import CompiledBucket
from runtime.errors import RefreshError
from runtime.misses import Miss, Missed, misses_of
from runtime.report import ModelReport
from runtime.served import OpenCode, Served, Version, serve
from runtime.threads import CPUS, each
from runtime.weights import PackedWeights
from tuner.importers import InputSpec, read_weights
from tuner.measure.compile import failure_line

_log = logging.getLogger(__name__)


class Model:
    """Scores inputs; made by `runtime.Engine.load`.

    Threads: calls run side by side, each thread in its own arena; weights are shared. A refresh
    swaps the weights at once: a call works on the set it started with.

    Parameters
    ----------
    open_version
        Makes another graph ready to be compiled, and packs its weights.
    """

    def __init__(
        self,
        version: Version,
        weights: PackedWeights,
        order: BuildOrder,
        open_version: Callable[[Any], tuple[Version, PackedWeights]],
        *,
        arch: str,
        toolchain: str,
    ) -> None:
        blueprint = version.blueprint
        self._outputs = blueprint.outputs
        #: An input whose first extent is the batch.
        self._leading = next(i for i, spec in enumerate(blueprint.model.inputs) if spec.batched)
        #: Extents behind the batch, and dtype, of what it returns; a model of several outputs has
        #: none, and its calls go the long way.
        self._tail: Any = self._outputs[0].tail if len(self._outputs) == 1 else None
        self._dtype = self._outputs[0].dtype
        self._order, self._open_version = order, open_version
        self._arch, self._toolchain = arch, toolchain
        #: Held while what is served is replaced; calls never take it.
        self._replacing = threading.Lock()
        #: Calls that what was served before has counted.
        self._calls: Counter[int] = Counter()
        #: Weights taken after the first ones.
        self.refreshes = 0
        self._served: Served
        self._start(version, weights)

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        """Names, dtypes and shapes of the inputs, in order."""
        return self._served.version.blueprint.model.inputs

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the graph, weights left out."""
        return self._served.version.blueprint.model.digest

    @property
    def buckets(self) -> tuple[int, ...]:
        """Batch sizes that have kernels of their own by now, rising."""
        return tuple(self._served.buckets)

    @property
    def parameters(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of each weight that `refresh` takes, by name."""
        return dict(self._served.version.schema.expected)

    @property
    def arch(self) -> str:
        """Name of the CPU architecture that it is compiled for."""
        return self._arch

    @property
    def served(self) -> Served:
        """The code and the weights of this moment, which belong together."""
        return self._served

    @property
    def weight_bytes(self) -> int:
        """Memory that the packed weights take, in bytes."""
        return self._served.weights.nbytes

    def __call__(self, *inputs: Any) -> Any:
        """Score a batch of any size.

        Parameters
        ----------
        inputs
            numpy arrays, or anything with ``__dlpack__`` on the CPU, as `input_specs` lists them.

        Returns
        -------
        A numpy array of the caller's own; a tuple of them if the model has several outputs.

        Raises
        ------
        InputError
            If they are not inputs of this model; nothing has been computed then.
        """
        served = self._served
        # The common call, in as little Python as it takes: between two calls the kernels evict
        # the interpreter from the caches, and all that is touched here comes back at their price.
        try:
            scores = np.empty((len(inputs[self._leading]), *self._tail), self._dtype)
            single = served.single[len(scores)]
            shelf = ARENAS.local.shelf
            arena = shelf.pop()
            try:
                if arena[1] >= served.arena_bytes and not single[0](
                    *inputs, single[1], arena[0], scores, 0
                ):
                    single[2] += 1
                    return scores
            finally:
                shelf.append(arena)
        except Exception:
            pass
        outputs = self._attempt(inputs, served)
        if outputs is None:
            outputs = self._scrutinise(inputs, served)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _attempt(self, inputs: Sequence[Any], served: Served) -> list[np.ndarray] | None:
        """Score inputs that are as they should be; the compiled code checks that they are.

        Returns
        -------
        None if they are not, or need a copy first: what is amiss is for `_scrutinise` to tell.
        """
        try:
            batch = inputs[self._leading].shape[0]
            pieces = served.pieces(batch)
            outputs = [spec.empty(batch) for spec in self._outputs]
            arena = ARENAS.take(served.arena_bytes)
            try:
                for score, table, start in pieces:
                    if score(*inputs, table, arena[0], *outputs, start):
                        return None
            finally:
                ARENAS.put(arena)
        except Exception:
            return None
        served.count(batch)
        return outputs

    def _scrutinise(self, inputs: Sequence[Any], served: Served) -> list[np.ndarray]:
        """Check inputs one by one, and score copies of them.

        Raises
        ------
        InputError
            If one is not an input of this model.
        """
        arrays, batch = served.version.check(inputs)
        outputs = [spec.empty(batch) for spec in self._outputs]
        served.run(arrays, batch, outputs)
        served.count(batch)
        return outputs

    def refresh(self, source: Any) -> None:
        """Take new weights; calls go on meanwhile, each on the weights it started with.

        Weights of the same graph compile nothing. A file of another graph that takes the same
        inputs is compiled beside, bucket by bucket, and takes over when all of it is ready.

        Parameters
        ----------
        source
            Path of a model file, an ExportedProgram, or a mapping of weights by name; a mapping
            may hold only those that changed.

        Raises
        ------
        RefreshError
            If they do not fit; the old weights serve on.
        """
        weights, graph = read_weights(source)
        mine = self._served.version.blueprint.model.fingerprint
        if None not in (graph, mine) and graph != mine:
            self._change(source)
            self.refreshes += 1
            return
        partial = isinstance(source, Mapping)
        with self._replacing:
            served = self._served
            packed = served.version.schema.pack(weights, served.weights if partial else None)
            new = serve(served.version, packed, served.buckets, served.open_code)
            self._probe(new)
            self._swap(new)
            self.refreshes += 1

    def update(self) -> None:
        """Adopt what the database has learnt since: compile beside, then swap.

        Calls go on meanwhile, and weights that are refreshed meanwhile stay.
        """
        version, weights = self._served.version, self._served.weights
        compiler = version.compiler
        renewed = each(lambda b: compiler.renew(b, weights), list(self._served.buckets.values()))
        timed = {b.batch: compiler.timed(b, weights) for b in renewed}
        with self._replacing:
            served = self._served
            # A graph that came meanwhile was compiled with what the database knows now.
            if served.version is version:
                self._swap(serve(version, served.weights, {**served.buckets, **timed}))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every bucket is compiled; False if some are not by then."""
        return self._order.wait(timeout_s)

    def calls(self) -> Counter[int]:
        """Calls so far by batch size, about: threads may overwrite each other's count."""
        return self._calls + self._served.calls()

    def bucket_calls(self) -> Counter[int]:
        """Calls so far that each bucket had a part in, about."""
        return self._served.bucket_calls(self.calls())

    def misses(self) -> list[Miss]:
        """What it lacked so far: buckets without records, batch sizes without a bucket."""
        return misses_of(self._served, self.calls())

    def missed(self) -> Missed | None:
        """`misses`, ready to be queued; None if there are none."""
        served, misses = self._served, self.misses()
        if not misses:
            return None
        tasks = {m.batch: served.version.compiler.tasks(m.batch) for m in misses}
        return Missed(served.version.blueprint, misses, tasks)

    def report(self) -> ModelReport:
        """Which record serves which kernel."""
        served = self._served
        return ModelReport(
            source=served.version.blueprint.model.source,
            arch=self._arch,
            toolchain=self._toolchain,
            buckets=tuple(b.report for b in served.buckets.values()),
            pending=self._order.pending,
            failed=self._order.failed,
            calls=dict(sorted(self.calls().items())),
        )

    def random_inputs(self, batch: int, seed: int = 0) -> list[np.ndarray]:
        """Inputs that the model accepts, for trying it out."""
        return self._served.version.blueprint.random_inputs(batch, seed)

    def _start(self, version: Version, weights: PackedWeights) -> None:
        """Serve with what there is, and have the rest compiled: now, or while serving."""
        order, compiler = self._order, version.compiler
        ready = compiler.known(order.pending)
        order.done(ready)
        if not order.pending:
            self._swap(serve(version, weights, ready))
            return
        if order.wait_for_all:
            self._swap(serve(version, weights, self._compile(version, weights, ready)))
            return
        open_code = None if ready else self._open_code(version, weights)
        if not ready and open_code is None:
            first = order.take({})
            assert first is not None
            ready = {first: compiler.compile(first, weights)}
            order.done(ready)
        self._swap(serve(version, weights, ready, open_code))
        for _ in range(min(CPUS, len(order.pending))):
            # No daemons: one that is in TVM's C++ when the interpreter ends takes the process down.
            threading.Thread(target=self._build, name="tunefleet-build").start()

    def _open_code(self, version: Version, weights: PackedWeights) -> OpenCode | None:
        """Code for any batch; None if the model has none, and has to wait for a bucket."""
        if version.blueprint.model.batch_var is None:
            return None
        try:
            return OpenCode.of(version, weights, self._order.all[-1])
        except Exception as error:
            _log.warning("no code for any batch: %s", failure_line(error))
            return None

    def _compile(
        self, version: Version, weights: PackedWeights, ready: Mapping[int, CompiledBucket]
    ) -> dict[int, CompiledBucket]:
        """Every bucket, those that are missing compiled in parallel."""
        compiler = version.compiler
        # The largest first: what is compiled for them may serve the others, too.
        missing = [b for b in reversed(self._order.all) if b not in ready]
        built = each(lambda batch: compiler.compile(batch, weights), missing)
        self._order.done({b.batch: b for b in built})
        return {**ready, **{b.batch: compiler.timed(b, weights) for b in built}}

    def _build(self) -> None:
        """Compile what is pending, the hottest first, each serving as soon as it is ready."""
        order = self._order
        while threading.main_thread().is_alive():
            batch = order.take(self.calls())
            if batch is None:
                return
            served = self._served
            try:
                bucket = served.version.compiler.compile(batch, served.weights)
            except Exception as error:
                order.fail(batch, error)
                continue
            with self._replacing:
                self._add(bucket)
                if order.pending == (batch,):
                    self._settle()
            order.done([batch])

    def _add(self, bucket: CompiledBucket) -> None:
        now = self._served
        self._swap(
            serve(now.version, now.weights, {**now.buckets, bucket.batch: bucket}, now.open_code)
        )

    def _settle(self) -> None:
        """Time all buckets now that nothing compiles, and let go of the code for any batch."""
        now = self._served
        timed = {b: now.version.compiler.timed(c, now.weights) for b, c in now.buckets.items()}
        self._swap(serve(now.version, now.weights, timed))

    def _change(self, source: Any) -> None:
        """Take over another graph of the same inputs and outputs.

        Raises
        ------
        RefreshError
            If callers would see the difference.
        """
        self.wait()
        version, weights = self._open_version(source)
        if version.blueprint.signature != self._served.version.blueprint.signature:
            raise RefreshError(
                f"{source} takes other inputs or makes other outputs; load it as a new model"
            )
        ready = version.compiler.known(self._order.all)
        new = serve(version, weights, self._compile(version, weights, ready))
        self._probe(new)
        with self._replacing:
            self._swap(new)

    def _probe(self, new: Served) -> None:
        """Score inputs with what is to serve before anybody else does.

        Raises
        ------
        RefreshError
            If a score is not finite that is finite with what serves.
        """
        batch = min(new.buckets, default=1)
        arrays = new.version.blueprint.random_inputs(batch)
        old_scores, scores = ([s.empty(batch) for s in self._outputs] for _ in range(2))
        new.run(arrays, batch, scores)
        if new.version is self._served.version:
            self._served.run(arrays, batch, old_scores)
        else:
            old_scores = [np.zeros_like(s) for s in scores]
        pairs = zip(old_scores, scores, strict=True)
        if any((np.isfinite(o) & ~np.isfinite(n)).any() for o, n in pairs):
            raise RefreshError("the weights make scores that are not finite; the old ones serve on")

    def _swap(self, new: Served) -> None:
        """Serve with this from now on."""
        ARENAS.expect(new.arena_bytes)
        old = getattr(self, "_served", None)
        self._served = new
        if old is not None:
            self._calls.update(old.calls())
