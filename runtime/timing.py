"""What one call of a bucket costs, on this host as it is now."""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np

from runtime.blueprint import Blueprint
from runtime.weights import PackedWeights

#: Calls by which a bucket is timed.
_RUNS = 7


class Runner(Protocol):
    """Code for some rows."""

    def run(
        self,
        arrays: list[np.ndarray],
        start: int,
        rows: int,
        weights: PackedWeights,
        outputs: list[np.ndarray],
    ) -> None:
        """Score `rows` rows of checked inputs from `start` on into the same rows of `outputs`."""


def seconds_of(runner: Runner, batch: int, weights: PackedWeights, blueprint: Blueprint) -> float:
    """Seconds of one call for `batch` rows; the fastest of a few."""
    arrays = blueprint.random_inputs(batch)
    room = [spec.empty(batch) for spec in blueprint.outputs]
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        runner.run(arrays, 0, batch, weights, room)
        times.append(time.perf_counter() - start)
    return min(times)
