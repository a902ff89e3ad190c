"""Cores: one measuring slot per physical core, builds elsewhere, no core twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workers.cores import (
    CoreClaim,
    CorePlan,
    default_slots,
    parse_cpu_list,
    physical_cores,
    plan_cores,
)

FOUR_WITH_THREADS = [(0, 4), (1, 5), (2, 6), (3, 7)]


@pytest.mark.parametrize(
    ("text", "cpus"), [("0\n", {0}), ("0-3", {0, 1, 2, 3}), ("1,5", {1, 5}), ("0-1,8", {0, 1, 8})]
)
def test_lists_of_cpus(text: str, cpus: set[int]) -> None:
    assert parse_cpu_list(text) == cpus


def test_physical_cores_are_disjoint_and_complete() -> None:
    cores = physical_cores()
    cpus = [cpu for core in cores for cpu in core]
    assert len(cpus) == len(set(cpus))
    assert physical_cores({cpus[0]}) == [(cpus[0],)]


@pytest.mark.parametrize(
    ("slots", "plan"),
    [
        (1, CorePlan((3,), (0, 4, 1, 5, 2, 6))),
        (2, CorePlan((3, 2), (0, 4, 1, 5))),
        (4, CorePlan((3, 2, 1, 0), ())),
        (9, CorePlan((3, 2, 1, 0), ())),
    ],
)
def test_hyperthreads_of_a_measuring_core_stay_idle(slots: int, plan: CorePlan) -> None:
    assert plan_cores(slots, FOUR_WITH_THREADS) == plan


def test_half_of_the_cores_measure() -> None:
    assert default_slots(FOUR_WITH_THREADS) == 2
    assert default_slots([(0,)]) == 1


def test_a_core_is_claimed_once(tmp_path: Path) -> None:
    first = CoreClaim.first_free((3, 2), tmp_path)
    second = CoreClaim.first_free((3, 2), tmp_path)
    assert first is not None
    assert second is not None
    assert (first.core, second.core) == (3, 2)
    assert CoreClaim.first_free((3, 2), tmp_path) is None
    first.close()
    again = CoreClaim.first_free((3, 2), tmp_path)
    assert again is not None
    assert again.core == 3
    again.close()
    second.close()


def test_a_killed_process_gives_its_core_back(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from workers.cores import CoreClaim\n"
        "claim = CoreClaim.first_free((7,), pathlib.Path(sys.argv[1]))\n"
        "print(claim.core, flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"7\n"
    assert CoreClaim.first_free((7,), tmp_path) is None
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    claim = CoreClaim.first_free((7,), tmp_path)
    assert claim is not None
    claim.close()
