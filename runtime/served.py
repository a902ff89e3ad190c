"""What a model serves at one moment: everything that a call has to see together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tvm
import tvm_ffi

from runtime.blueprint import Blueprint
from runtime.compiler import BucketCompiler, CompiledBucket
from runtime.inputs import InputChecker
from runtime.plan import OPEN, Planner
from runtime.program import Program
from runtime.timing import Runner, seconds_of
from runtime.vm import VirtualMachines
from runtime.weights import PackedWeights, WeightSchema

#: Plans kept; each is of one batch size.
_MAX_PLANS = 4096
#: Pieces of the longest plan that is kept.
_MAX_PIECES = 64

#: Code, the addresses of what it reads, and the first row that it computes.
Piece = tuple[tvm_ffi.Function, tvm.runtime.Tensor, int]


@dataclass(frozen=True, slots=True)
class Version:
    """A graph: what stays when weights are refreshed."""

    blueprint: Blueprint
    schema: WeightSchema
    check: InputChecker
    compiler: BucketCompiler


@dataclass(frozen=True, slots=True)
class OpenCode:
    """Code that takes any batch, until every bucket is ready."""

    runner: VirtualMachines
    #: Seconds of a call, and of each row.
    cost: tuple[float, float]

    @classmethod
    def of(cls, version: Version, weights: PackedWeights, largest: int) -> OpenCode:
        """Compile it, and time it for one row and for the `largest` batch."""
        runner = version.compiler.open_batch()
        one, many = (seconds_of(runner, n, weights, version.blueprint) for n in (1, largest))
        row = max(0.0, many - one) / max(1, largest - 1)
        return cls(runner, (max(0.0, one - row), row))


@dataclass(frozen=True, slots=True)
class Served:
    """Weights and code; replaced as a whole, so that a call never sees a mixture."""

    version: Version
    weights: PackedWeights
    #: By batch size, rising.
    buckets: Mapping[int, CompiledBucket]
    open_code: OpenCode | None
    #: Cuts batches into buckets.
    planner: Planner
    #: Bytes of the arena that any of them needs; 0 if none needs one.
    arena_bytes: int
    #: Plans made so far, by batch; one of a single piece is found again by `single` first.
    _plans: dict[int, tuple[Piece, ...]] = field(default_factory=dict)
    #: Code, addresses and calls so far by batch, where one piece does it.
    single: dict[int, list[Any]] = field(default_factory=dict)
    #: Calls so far by batch, of all others.
    _calls: Counter[int] = field(default_factory=Counter)

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
                    self.single[batch] = [*known[0][:2], 0]
        return known

    def run(self, arrays: Sequence[np.ndarray], batch: int, outputs: Sequence[np.ndarray]) -> None:
        """Score checked inputs, whatever code that takes."""
        for start, rows, bucket in self.planner.pieces(batch):
            if bucket == OPEN:
                assert self.open_code is not None
                runner: Runner = self.open_code.runner
            else:
                runner = self.buckets[bucket].runner
            runner.bind(self.weights)(arrays, start, rows, outputs)

    def count(self, batch: int) -> None:
        """Note a call that `single` does not count."""
        if batch in self._calls or len(self._calls) < _MAX_PLANS:
            self._calls[batch] += 1

    def calls(self) -> Counter[int]:
        """Calls so far by batch."""
        counts = Counter(self._calls)
        for batch, single in tuple(self.single.items()):
            counts[batch] += single[2]
        return counts

    def bucket_calls(self, calls: Mapping[int, int]) -> Counter[int]:
        """Calls that each bucket had a part in, of `calls` by batch size."""
        parts: Counter[int] = Counter()
        for batch, count in calls.items():
            for bucket in {bucket for _, _, bucket in self.planner.pieces(batch)} - {OPEN}:
                parts[bucket] += count
        return parts

    def _pieces(self, batch: int) -> tuple[Piece, ...]:
        tables: dict[int, tvm.runtime.Tensor] = {}
        if not 0 < batch <= _MAX_PIECES * max(self.buckets, default=1):
            raise LookupError(batch)
        pieces = []
        for start, _, bucket in self.planner.pieces(batch):
            runner = None if bucket == OPEN else self.buckets[bucket].runner
            if not isinstance(runner, Program):
                raise LookupError(batch)
            if bucket not in tables:
                tables[bucket] = runner.table(self.weights)
            pieces.append((runner.score, tables[bucket], start))
        return tuple(pieces)


def serve(
    version: Version,
    weights: PackedWeights,
    buckets: Mapping[int, CompiledBucket],
    open_code: OpenCode | None = None,
) -> Served:
    """Bring weights and code together."""
    buckets = dict(sorted(buckets.items()))
    programs = [b.runner for b in buckets.values() if isinstance(b.runner, Program)]
    costs = {batch: bucket.seconds for batch, bucket in buckets.items()}
    planner = Planner(costs, None if open_code is None else open_code.cost)
    largest = max((p.arena_bytes for p in programs), default=0)
    return Served(version, weights, buckets, open_code, planner, largest)
