"""What a bucket is timed by."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime import Model
from runtime.timing import Run, seconds_of


class _SlowToFindItsWeights:
    """Takes half a second before its first call, and nothing for each."""

    calls = 0

    def bind(self, weights: Any) -> Run:
        time.sleep(0.5)

        def run(
            _arrays: Sequence[np.ndarray], _start: int, _rows: int, _outputs: Sequence[np.ndarray]
        ) -> None:
            self.calls += 1

        return run


def test_to_find_the_weights_is_no_part_of_a_call(served: Model) -> None:
    version = served.served.version
    runner = _SlowToFindItsWeights()
    assert seconds_of(runner, 1, served.served.weights, version.blueprint) < 0.1
    # One call is over before caches are warm.
    assert runner.calls > 7
