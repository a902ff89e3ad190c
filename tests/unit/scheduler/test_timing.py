"""Functions are timed in turns, each for long enough."""

from __future__ import annotations

import gc
import os

import pytest

from scheduler.demo.table import BucketResult, geometric_mean
from scheduler.demo.timing import one_core, time_in_turns


class Machine:
    """Functions that take a known time on a clock of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.story: list[str] = []

    def function(self, name: str, secs: float) -> object:
        def call() -> None:
            assert self.story is not None
            self.story.append(name)
            self.now += secs

        return call

    def clock(self) -> float:
        return self.now


def test_medians_of_repeats_that_last_long_enough() -> None:
    machine = Machine()
    calls = [machine.function("a", 1e-3), machine.function("b", 0.05)]
    times = time_in_turns(calls, repeats=3, repeat_s=0.02, clock=machine.clock)  # type: ignore[arg-type]
    assert times == [pytest.approx(1e-3), pytest.approx(0.05)]
    # b lasts long enough alone; a has to be called twenty times and more; a b, a b, a b.
    turns = "".join(machine.story).split("b")
    assert [len(turn) >= 20 for turn in turns[-4:-1]] == [True] * 3
    assert turns[-1] == ""


def test_one_slow_repeat_does_not_count() -> None:
    machine = Machine()
    slow = iter([0.02] * 2 + [9.0] + [0.02] * 5)

    def call() -> None:
        machine.now += next(slow)

    assert time_in_turns([call], repeats=5, clock=machine.clock) == [pytest.approx(0.02)]


def test_the_garbage_collector_is_back_afterwards() -> None:
    seen: list[bool] = []
    time_in_turns([lambda: seen.append(gc.isenabled())], repeats=1, repeat_s=1e-6)
    assert seen[-1] is False
    assert gc.isenabled()


def test_one_core_and_back() -> None:
    before = os.sched_getaffinity(0)
    with one_core() as core:
        assert os.sched_getaffinity(0) == {core}
    assert os.sched_getaffinity(0) == before


def test_ratio_and_geometric_mean() -> None:
    result = BucketResult(1, 6e-4, 4e-4, 2e-4, 8, 9)
    assert result.ratio == pytest.approx(3.0)
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
