"""The ansor strategy keeps the contract of a strategy, across processes and interruptions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache

import pytest

from db import Measured
from db.testing.builders import ARCH
from tests.unit.tuner.sketch.functions import (
    add_function,
    dense_function,
    many_sums,
    softmax_function,
    text,
)
from tuner.arch import simd_of
from tuner.cost_model import CostModel, Table, fit
from tuner.sketch import EvolutionOptions, SketchSpace, effort_of, limits, store_features, too_much
from tuner.strategy import AnsorStrategy, AutoTvmStrategy
from tuner.strategy.ansor import BATCH
from tuner.templates.fallbacks import fallbacks
from tuner.testing.conformance import StrategyConformance, as_known, search
from tuner.workloads.facts import facts_of

WORKLOAD = "a" * 64


@cache
def tir() -> str:
    return text(dense_function())


#: Little is bred: what is tested is how, not how well.
QUICK = EvolutionOptions(fresh=8, parents=4, children=4, generations=1)


def make(
    *,
    seed: int = 0,
    known: Mapping[str, Measured] | None = None,
    model: CostModel | None = None,
) -> AnsorStrategy:
    return AnsorStrategy(
        WORKLOAD, facts_of(dense_function()), ARCH,
        tir=tir(), seed=seed, known=known, model=model, options=QUICK,
    )  # fmt: skip


class TestAnsor(StrategyConformance):
    TRIALS = BATCH + 5

    def make(self, *, seed: int = 0, known: Mapping[str, Measured] | None = None) -> AnsorStrategy:
        return make(seed=seed, known=known)


def test_the_default_is_the_candidate_that_autotvm_measures_too() -> None:
    (first,) = make().ask(1)
    (other,) = AutoTvmStrategy(WORKLOAD, facts_of(dense_function()), ARCH).ask(1)
    assert (first.digest, first.config) == (other.digest, other.config)
    assert first.strategy == "ansor"


def test_an_interrupted_search_goes_on_as_if_it_had_not_been() -> None:
    trials = 2 * BATCH + 3
    whole = search(make(), trials)
    for cut in (1, BATCH - 2, BATCH + 1, BATCH + 4):
        later = search(make(known=as_known(whole[:cut])), trials - cut)
        assert [o.candidate for o in later] == [o.candidate for o in whole[cut:]]


def test_another_seed_searches_elsewhere() -> None:
    first, other = (search(make(seed=seed), 6)[1:] for seed in (1, 2))
    assert not {o.candidate.digest for o in first} & {o.candidate.digest for o in other}


_SEARCH = """
from tests.unit.tuner.strategy.test_ansor import make, search
print("\\n".join(o.candidate.digest for o in search(make(seed=7), 12)))
"""


def test_another_process_makes_the_same_search() -> None:
    here = [o.candidate.digest for o in search(make(seed=7), 12)]
    there = subprocess.run(
        [sys.executable, "-c", _SEARCH], check=True, capture_output=True, text=True
    )
    assert there.stdout.split() == here


def choices(trace: str) -> list[object]:
    return [choice for _, choice in json.loads(trace)[1]]


def changed(trace: str, elder: str) -> int:
    """Choices in which two traces of one sketch differ."""
    return sum(a != b for a, b in zip(choices(trace), choices(elder), strict=True))


def test_what_was_measured_has_children() -> None:
    """Traces of another campaign are parents: their children differ in one choice or two."""
    space = SketchSpace(dense_function(), ARCH)
    elders = [p.trace for i in range(9) if (p := space.sample(0, i + 1, whole_vectors=True))]
    known = {
        str(i) * 64: Measured(str(i) * 64, 1e-6 * (1 + i), None, None, trace)
        for i, trace in enumerate(elders)
    }
    proposed = [c.trace for c in make(known=known).ask(BATCH + 1) if c.trace]
    nearest = [min(changed(trace, elder) for elder in elders) for trace in proposed]
    strangers = [c.trace for c in make().ask(BATCH + 1) if c.trace]
    apart = [min(changed(trace, elder) for elder in elders) for trace in strangers]
    assert sum(nearest) < sum(apart)
    assert nearest.count(1) > apart.count(1)


def test_a_model_of_other_workloads_chooses_at_once() -> None:
    """What it ranks highest comes first, although nothing was measured of this workload."""
    space = SketchSpace(dense_function(), ARCH)
    programs = [p for i in range(40) if (p := space.sample(i % 3, i + 1))]
    table = store_features(space.context, [p.sch for p in programs])
    efforts = [effort_of(p.mod, simd_of(ARCH)).accesses for p in programs]
    # Invented: what takes more code is slower.
    model = fit(table, [1e-6 * e for e in efforts], [0] * len(programs))

    def mean_code(strategy: AnsorStrategy) -> float:
        asked = [c for c in strategy.ask(BATCH) if c.trace]
        found = [space.replay(c.trace or "") for c in asked]
        sizes = [effort_of(p.mod, simd_of(ARCH)).accesses for p in found if p]
        return sum(sizes) / len(sizes)

    assert mean_code(make(model=model)) < mean_code(make())


def test_a_model_of_configurations_is_no_model_of_sketches() -> None:
    model = fit(Table.of([{"knob.rows": 1.0}, {"knob.rows": 2.0}]), [1.0, 2.0], [0, 0])
    with_it, without = (search(make(model=m), BATCH) for m in (model, None))
    assert [o.candidate for o in with_it] == [o.candidate for o in without]


def test_what_cannot_fit_is_turned_down_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ACCESSES", 100)
    strategy = make()
    space = SketchSpace(dense_function(), ARCH)
    for outcome in search(strategy, 2 * BATCH):
        if outcome.candidate.trace is not None:
            program = space.replay(outcome.candidate.trace)
            assert program is not None
            assert too_much(effort_of(program.mod, simd_of(ARCH)), simd_of(ARCH)) == ""
    assert strategy.rejected["code"] > 0


def test_a_small_space_comes_to_an_end() -> None:
    func = add_function()
    strategy = AnsorStrategy(WORKLOAD, facts_of(func), ARCH, tir=text(func), options=QUICK)
    told = search(strategy, 1000)
    assert 1 < len(told) < 100
    assert strategy.remaining == 0


def test_without_sketches_only_the_default_is_proposed_and_the_reason_counted() -> None:
    func = many_sums(6)
    strategy = AnsorStrategy(WORKLOAD, facts_of(func), ARCH, tir=text(func))
    before = sum(n for (who, _), n in fallbacks().items() if who == "ansor")
    assert [o.candidate for o in search(strategy, 5)] == [strategy.default]
    assert sum(n for (who, _), n in fallbacks().items() if who == "ansor") == before + 1


def test_softmax_has_sketches() -> None:
    func = softmax_function()
    strategy = AnsorStrategy(WORKLOAD, facts_of(func), ARCH, tir=text(func), options=QUICK)
    assert len(search(strategy, BATCH)) == BATCH
