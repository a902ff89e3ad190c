"""A candidate's time does not depend on whether the core is busy while it is measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuner.measure import MeasureOptions
from tuner.measure.quiet import Pacemaker, Timer, in_turns, quietest

#: Time runs by windows: whether the core is busy in the nth window of a run.
Busy = Callable[[int], bool]

OPTIONS = MeasureOptions(repeats=3, patience_s=60.0)
IMPATIENT = MeasureOptions(repeats=3, patience_s=0.0)


class Core:
    """A core on which kernels take `slower` times their time while it is busy."""

    def __init__(self, busy: Busy, slower: float = 2.0) -> None:
        self._busy = busy
        self._slower = slower
        self.windows = 0

    def kernel(self, secs: float) -> Timer:
        """A kernel that takes `secs` on a quiet core."""

        def run() -> float:
            self.windows += 1
            return secs * (self._slower if self._busy(self.windows) else 1.0)

        return run


def test_the_first_kernel_of_a_workload_counts_by_its_fastest_windows() -> None:
    core = Core(lambda window: window % 2 == 0)
    assert quietest(core.kernel(1.0), None, None, OPTIONS).secs == (1.0, 1.0, 1.0)


def test_measuring_goes_on_until_the_core_was_quiet_often_enough() -> None:
    core = Core(lambda window: window < 100 or window % 8 < 4)
    pace = Pacemaker(core.kernel(1.0), 1.0)
    assert quietest(core.kernel(0.9), pace, 1.0, OPTIONS).secs == (0.9, 0.9, 0.9)
    assert core.windows > 100


def test_quiet_cores_cost_a_few_turns() -> None:
    core = Core(lambda window: False)
    quietest(core.kernel(1.0), Pacemaker(core.kernel(1.0), 1.0), 1.0, OPTIONS)
    assert core.windows == 2 * OPTIONS.repeats


@pytest.mark.parametrize("busy", [False, True])
def test_a_slow_candidate_is_given_up_on_a_busy_core_too(busy: bool) -> None:
    core = Core(lambda window: busy)
    secs = quietest(core.kernel(1.2), Pacemaker(core.kernel(1.0), 1.0), 1.0, OPTIONS).secs
    assert len(secs) == 3
    assert core.windows == 6


def test_a_candidate_is_not_given_up_because_the_core_is_busy() -> None:
    core = Core(lambda window: window < 20)
    secs = quietest(core.kernel(0.95), Pacemaker(core.kernel(1.0), 1.0), 1.0, OPTIONS).secs
    assert secs == (0.95, 0.95, 0.95)


def test_where_no_quiet_moment_comes_the_candidate_counts_by_what_slowed_the_other() -> None:
    core = Core(lambda window: True, slower=1.1)
    pace = Pacemaker(core.kernel(1.0), 1.0)
    for _ in range(50):
        timing = quietest(core.kernel(0.9), pace, None, IMPATIENT)
        assert timing.secs == pytest.approx((0.9, 0.9, 0.9))
        assert timing.fastest == pytest.approx(0.99)
    assert pace.floor == 1.0


def test_a_host_that_changed_is_believed_in_the_end() -> None:
    core = Core(lambda window: True)
    pace = Pacemaker(core.kernel(1.0), 1.0)
    for _ in range(5):
        assert pace.floor == 1.0
        assert quietest(core.kernel(1.0), pace, None, IMPATIENT).secs == (1.0, 1.0, 1.0)
    assert pace.floor == 2.0
    assert quietest(core.kernel(1.0), pace, None, IMPATIENT).secs == (2.0, 2.0, 2.0)


def test_kernels_in_turns_are_compared_by_the_quietest_turns() -> None:
    core = Core(lambda window: window % 3 == 0)
    ours, theirs = in_turns([core.kernel(1.0), core.kernel(1.1)], OPTIONS)
    assert ours == [1.0] * 3
    assert theirs == [1.1] * 3
