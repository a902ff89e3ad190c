"""What one call of a bucket costs, on this host as it is now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from runtime.blueprint import Blueprint
from runtime.weights import PackedWeights

#: ``(arrays, start, rows, outputs)``: score `rows` rows of checked inputs from `start` on into the
#: same rows of `outputs`.
Run: TypeAlias = Callable[[Sequence[np.ndarray], int, int, Sequence[np.ndarray]], None]

#: A bucket is timed by so many calls at least, and for so many seconds: small ones are over before
#: caches are warm and other threads have let go of the interpreter.
_RUNS, _SECONDS = 7, 0.01


class Runner(Protocol):
    """Code for some rows."""

    def bind(self, weights: PackedWeights) -> Run:
        """The same with its weights found."""


def seconds_of(runner: Runner, batch: int, weights: PackedWeights, blueprint: Blueprint) -> float:
    """Seconds of one call for `batch` rows: of the fastest."""
    arrays = blueprint.random_inputs(batch)
    room = [spec.empty(batch) for spec in blueprint.outputs]
    run = runner.bind(weights)
    times: list[float] = []
    while len(times) < _RUNS or sum(times) < _SECONDS:
        start = time.perf_counter()
        run(arrays, 0, batch, room)
        times.append(time.perf_counter() - start)
    return min(times)
