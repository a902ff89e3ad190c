"""What a model serves at one moment: everything that a call has to see together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import tvm
import tvm_ffi

from runtime.compiler import CompiledBucket
from runtime.outputs import OutputSpec
from runtime.plan import Planner
from runtime.program import Program
from runtime.weights import PackedWeights

#: Plans kept; each is of one batch size.
_MAX_PLANS = 4096
#: Pieces of the longest plan that is kept.
_MAX_PIECES = 64

#: Calls by which a bucket is timed.
_RUNS = 7

#: Code, the addresses of what it reads, and the first row that it computes.
Piece = tuple[tvm_ffi.Function, tvm.runtime.Tensor, int]


@dataclass(frozen=True, slots=True)
class Served:
    """Weights and code; replaced as a whole, so that a call never sees a mixture."""

    weights: PackedWeights
    #: By batch size, rising.
    buckets: Mapping[int, CompiledBucket]
    #: Cuts batches into buckets.
    planner: Planner
    #: Bytes of the arena that any of them needs; 0 if none needs one.
    arena_bytes: int
    #: Plans made so far, by batch; one of a single piece is found again by `single` first.
    _plans: dict[int, tuple[Piece, ...]] = field(default_factory=dict)
    #: Code and addresses by batch, where one piece does it.
    single: dict[int, tuple[tvm_ffi.Function, tvm.runtime.Tensor]] = field(default_factory=dict)

    def pieces(self, batch: int) -> Sequence[Piece]:
        """The calls that score a batch.

        Raises
        ------
        LookupError
            If they are not to be had at once: the virtual machine is needed, or very many.
        """
        known = self._plans.get(batch)
        if known is None:
            known = self._pieces(batch)
            if len(self._plans) < _MAX_PLANS:
                self._plans[batch] = known
                if len(known) == 1:
                    self.single[batch] = known[0][:2]
        return known

    def _pieces(self, batch: int) -> tuple[Piece, ...]:
        tables: dict[int, tvm.runtime.Tensor] = {}
        if not 0 < batch <= _MAX_PIECES * max(self.buckets):
            raise LookupError(batch)
        pieces = []
        for start, _, bucket in self.planner.pieces(batch):
            runner = self.buckets[bucket].runner
            if not isinstance(runner, Program):
                raise LookupError(batch)
            if bucket not in tables:
                tables[bucket] = runner.table(self.weights)
            pieces.append((runner.score, tables[bucket], start))
        return tuple(pieces)


def serve(
    weights: PackedWeights, buckets: Mapping[int, CompiledBucket], planner: Planner
) -> Served:
    """Bring weights and code together."""
    programs = [b.runner for b in buckets.values() if isinstance(b.runner, Program)]
    return Served(weights, buckets, planner, max((p.arena_bytes for p in programs), default=0))


def measure(
    weights: PackedWeights,
    buckets: Mapping[int, CompiledBucket],
    inputs: Callable[[int], Sequence[np.ndarray]],
    outputs: Sequence[OutputSpec],
) -> dict[int, float]:
    """Seconds of one call of each bucket, on this host as it is now; the fastest of a few.

    Parameters
    ----------
    inputs
        Makes inputs of a batch that the model accepts.
    """
    seconds = {}
    for batch, bucket in buckets.items():
        arrays, room = inputs(batch), [spec.empty(batch) for spec in outputs]
        times = []
        for _ in range(_RUNS):
            start = time.perf_counter()
            bucket.runner.run(arrays, 0, batch, weights, room)
            times.append(time.perf_counter() - start)
        seconds[batch] = min(times)
    return seconds
