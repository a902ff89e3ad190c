"""Jobs search within their budget, end at a plateau, and repeat nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import tvm

from db import Store, Task, open_store
from db.testing.builders import ARCH
from tests.unit.workers.fleet import Fleet, dense_workload, small_layers
from tuner.arch import simd_of, toolchain
from tuner.templates import template_for
from tuner.testing import SyntheticLatencies
from tuner.workloads import facts_of
from workers.choice import FLOOR

TASKS = small_layers()


def _space(task: Task) -> int:
    facts = facts_of(tvm.ir.load_json(task.workload.tir))
    return len(template_for(facts).space(facts, simd_of(ARCH)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/log.db") as opened:
        yield opened


@pytest.fixture
def fleet(store: Store) -> Fleet:
    return Fleet(store)


def _measured(store: Store, workload: str) -> int:
    return len(store.measured(workload, ARCH.name, toolchain().key))


def test_a_job_ends_at_the_plateau(store: Store, fleet: Fleet) -> None:
    version = fleet.add_model(TASKS)
    measurer = fleet.campaign(version)
    assert len(measurer.runs) < sum(map(_space, TASKS))
    for task in TASKS:
        assert _measured(store, task.workload.digest) >= min(FLOOR, _space(task))


def test_a_later_night_goes_a_little_further_and_repeats_nothing(
    store: Store, fleet: Fleet
) -> None:
    version = fleet.add_model(TASKS)
    runs: Counter[tuple[str, str]] = Counter()
    for _ in range(3):
        before = sum(_measured(store, t.workload.digest) for t in TASKS)
        runs += fleet.campaign(version).runs
        assert sum(_measured(store, t.workload.digest) for t in TASKS) > before
    assert max(runs.values()) == 1


def test_a_budget_of_trials_is_kept(store: Store, fleet: Fleet) -> None:
    version = fleet.add_model(TASKS)
    assert len(fleet.campaign(version, trials=9).runs) == 9


def test_whole_spaces_end_a_job_too(store: Store, fleet: Fleet) -> None:
    tiny = dense_workload(1, 16, 16)
    version = fleet.add_model([Task(tiny, 1)])
    for _ in range(20):
        if not fleet.campaign(version).runs:
            break
    else:
        pytest.fail("a space that is known should leave nothing to do")


def test_other_campaigns_teach_and_the_record_is_the_best(store: Store) -> None:
    fleet = Fleet(store, SyntheticLatencies(3, failing=0.1))
    version = fleet.add_model(TASKS)
    fleet.campaign(version)
    for task in TASKS:
        digest = task.workload.digest
        medians = [m.median for m in store.measured(digest, ARCH.name, toolchain().key).values()]
        best = min(m for m in medians if m is not None)
        record = store.best_records([digest], ARCH.name, toolchain().key)[digest]
        assert record.run_secs <= best * 1.02


@pytest.mark.parametrize("searcher", ["xgb", "genetic", "random", "grid"])
def test_every_searcher_can_be_chosen(store: Store, fleet: Fleet, searcher: str) -> None:
    version = fleet.add_model(TASKS)
    assert len(fleet.campaign(version, searcher=searcher, trials=12).runs) == 12


def test_the_same_seed_searches_each_workload_alike(tmp_path: Path) -> None:
    seen = []
    for name in ("a", "b"):
        with open_store(f"sqlite:///{tmp_path}/{name}.db") as store:
            fleet = Fleet(store)
            seen.append(list(fleet.campaign(fleet.add_model(TASKS), seed=3, trials=20).runs))
    # Which workload is next depends on how long trials take; which candidate of it does not.
    for task in TASKS:
        first, second = ([c for w, c in runs if w == task.workload.digest] for runs in seen)
        both = min(len(first), len(second))
        assert both > 0
        assert first[:both] == second[:both]
