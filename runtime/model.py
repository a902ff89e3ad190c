"""A loaded model: called with any batch, by any number of threads, refreshed while it serves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from runtime.arenas import ARENAS
from runtime.compiler import CompiledBucket
from runtime.errors import RefreshError
from runtime.inputs import InputChecker, random_inputs
from runtime.outputs import OutputSpec
from runtime.plan import Planner
from runtime.report import ModelReport
from runtime.served import Served, measure, serve
from runtime.weights import PackedWeights, WeightSchema
from tuner.importers import ImportedModel, InputSpec, read_weights


class Model:
    """Scores inputs; made by `runtime.Engine.load`.

    Threads: calls run side by side, each thread in its own arena; weights are shared. A refresh
    swaps the weights at once: a call works on the set it started with.
    """

    def __init__(
        self,
        imported: ImportedModel,
        schema: WeightSchema,
        weights: PackedWeights,
        buckets: Sequence[CompiledBucket],
        outputs: Sequence[OutputSpec],
        recompile: Callable[[int], CompiledBucket],
        *,
        arch: str,
        toolchain: str,
    ) -> None:
        self._imported = imported
        self._schema = schema
        self._outputs = tuple(outputs)
        self._compile = recompile
        self._check = InputChecker(imported)
        #: An input whose first extent is the batch.
        self._leading = next(i for i, spec in enumerate(imported.inputs) if spec.batched)
        #: Makes room for the scores of a batch; a model of several outputs goes the long way.
        self._empty = outputs[0].empty if len(outputs) == 1 else _several
        self._arch, self._toolchain = arch, toolchain
        #: Held while what is served is replaced; calls never take it.
        self._replacing = threading.Lock()
        self._served: Served
        self._adopt(weights, buckets)

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        """Names, dtypes and shapes of the inputs, in order."""
        return self._imported.inputs

    @property
    def buckets(self) -> tuple[int, ...]:
        """Batch sizes with kernels of their own, rising."""
        return tuple(self._served.buckets)

    @property
    def parameters(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of each weight that `refresh` takes, by name."""
        return dict(self._schema.expected)

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
            scores = self._empty(len(inputs[self._leading]))
            score, table = served.single[len(scores)]
            shelf = ARENAS.local.shelf
            arena = shelf.pop()
            try:
                if arena[1] >= served.arena_bytes and not score(
                    *inputs, table, arena[0], scores, 0
                ):
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
        return outputs

    def _scrutinise(self, inputs: Sequence[Any], served: Served) -> list[np.ndarray]:
        """Check inputs one by one, and score copies of them.

        Raises
        ------
        InputError
            If one is not an input of this model.
        """
        arrays, batch = self._check(inputs)
        outputs = [spec.empty(batch) for spec in self._outputs]
        for start, rows, bucket in served.planner.pieces(batch):
            served.buckets[bucket].runner.run(arrays, start, rows, served.weights, outputs)
        return outputs

    def refresh(self, source: Any) -> None:
        """Take new weights for the same graph; nothing is compiled.

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
        mine = self._imported.fingerprint
        if None not in (graph, mine) and graph != mine:
            raise RefreshError(f"{source} has another graph; load it as a new model")
        partial = isinstance(source, Mapping)
        with self._replacing:
            served = self._served
            packed = self._schema.pack(weights, served.weights if partial else None)
            self._probe(packed, served)
            self._served = serve(packed, served.buckets, served.planner)

    def _probe(self, weights: PackedWeights, served: Served) -> None:
        """Score inputs with new weights before anybody else does.

        Raises
        ------
        RefreshError
            If a score is not finite that is finite with the weights that serve.
        """
        batch = min(served.buckets)
        arrays, runner = self.random_inputs(batch), served.buckets[batch].runner
        old, new = ([spec.empty(batch) for spec in self._outputs] for _ in range(2))
        runner.run(arrays, 0, batch, served.weights, old)
        runner.run(arrays, 0, batch, weights, new)
        if any((np.isfinite(o) & ~np.isfinite(n)).any() for o, n in zip(old, new, strict=True)):
            raise RefreshError("the weights make scores that are not finite; the old ones serve on")

    def update(self) -> None:
        """Adopt what the database has learnt since: compile beside, then swap.

        Calls go on meanwhile, and weights that are refreshed meanwhile stay.
        """
        buckets = [self._compile(batch) for batch in self._served.buckets]
        with self._replacing:
            self._adopt(self._served.weights, buckets)

    def _adopt(self, weights: PackedWeights, buckets: Sequence[CompiledBucket]) -> None:
        """Serve with these from now on."""
        by_batch = {b.batch: b for b in sorted(buckets, key=lambda b: b.batch)}
        costs = measure(weights, by_batch, self.random_inputs, self._outputs)
        self._served = serve(weights, by_batch, Planner(costs))
        ARENAS.expect(self._served.arena_bytes)

    def report(self) -> ModelReport:
        """Which record serves which kernel."""
        return ModelReport(
            source=self._imported.source,
            arch=self._arch,
            toolchain=self._toolchain,
            buckets=tuple(b.report for b in self._served.buckets.values()),
        )

    def random_inputs(self, batch: int, seed: int = 0) -> list[np.ndarray]:
        """Inputs that the model accepts, for trying it out."""
        return random_inputs(self._imported, batch, seed)


def _several(_: int) -> np.ndarray:
    raise LookupError("several outputs")
