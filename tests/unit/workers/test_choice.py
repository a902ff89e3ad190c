"""The next trial goes where the model gains most per second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from db import Task
from db.testing.builders import workload
from tests.unit.tuner.strategy.workloads import dense_facts
from tuner.strategy import Candidate, Outcome, Progress, Strategy
from workers.champion import Ring
from workers.choice import FLOOR, choose, gain
from workers.task import TaskState

#: A core on which the layer of `dense_facts` takes 168 µs at least.
CALIBRATION = {"fma_gflops": 100.0, "read_gbs_16KiB": 100.0}
BOUND = 167.8e-6


@dataclass
class Endless(Strategy):
    """Always has one more."""

    left: int = 1000
    told: list[Outcome] = field(default_factory=list)

    def ask(self, count: int) -> list[Candidate]:
        count = min(count, self.left)
        self.left -= count
        return [Candidate(f"{self.left + i}", {}) for i in range(count)]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self.told += outcomes

    @property
    def remaining(self) -> int:
        return self.left


def state(
    best: float | None = 2 * BOUND,
    *,
    told: int = 5,
    stale: int = 0,
    calls: int = 1,
    weight: float = 1.0,
    trials: int = FLOOR,
    left: int = 1000,
    took: float = 0.2,
) -> TaskState:
    made = TaskState(
        Task(workload(), calls, weight),
        dense_facts(),
        16,
        Endless(left),
        cast(Ring, None),
        Progress(best, told, stale),
    )
    made.trials, made.trial_secs = trials, took
    return made


def test_what_was_never_tried_comes_first() -> None:
    fresh = state(None, told=0, trials=0)
    assert choose([state(1.0), fresh], CALIBRATION) is fresh


def test_every_workload_gets_its_floor() -> None:
    behind = state(BOUND, trials=FLOOR - 1, stale=100)
    assert choose([state(1.0), behind], CALIBRATION) is behind
    behind.pending = 1
    assert choose([state(1.0), behind], CALIBRATION) is not behind


@pytest.mark.parametrize(
    "better",
    [
        state(calls=2),
        state(weight=2.0),
        state(4 * BOUND),
        state(took=0.05),
    ],
    ids=["calls", "traffic", "room", "cheap trials"],
)
def test_the_larger_gain_goes_first(better: TaskState) -> None:
    others = [state(), state(stale=3)]
    assert choose([others[0], better, others[1]], CALIBRATION) is better


def test_a_chance_falls_with_trials_that_bring_nothing() -> None:
    gains = [gain(state(stale=n), CALIBRATION) for n in range(12)]
    assert gains == sorted(gains, reverse=True)
    waiting = state()
    waiting.pending = 4
    assert gain(waiting, CALIBRATION) == gains[4]


def test_a_plateau_ends_it() -> None:
    tired = state(stale=Endless().patience)
    assert choose([tired], CALIBRATION) is None


def test_what_is_at_the_roofline_is_left_alone() -> None:
    assert choose([state(BOUND)], CALIBRATION) is None
    assert choose([state(BOUND)], {}) is not None


def test_what_hardly_counts_is_left_alone() -> None:
    large, small = state(calls=10_000, stale=100), state()
    assert choose([large, small], CALIBRATION) is None


def test_what_never_ran_is_tried_on() -> None:
    failing = state(None, told=9, stale=9)
    assert choose([failing, state(stale=100)], CALIBRATION) is failing


def test_an_exhausted_search_is_over() -> None:
    assert choose([state(left=0)], CALIBRATION) is None
    empty = state()
    cast(Endless, empty.strategy).left = 1
    assert empty.ask() is not None
    assert empty.ask() is None
    assert empty.exhausted


def test_tellings_are_counted() -> None:
    told = state(trials=0)
    candidate = told.ask()
    assert candidate is not None
    assert told.pending == 1
    told.tell(candidate, BOUND, took=0.2)
    assert (told.best, told.trials, told.pending, told.progress.stale) == (BOUND, 1, 0, 0)
