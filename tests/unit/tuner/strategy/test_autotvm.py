"""The autotvm strategy keeps the contract of a strategy, whichever searcher it uses."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from db import Measured
from db.testing.builders import ARCH
from tests.unit.tuner.strategy.workloads import dense_facts
from tuner.arch import simd_of
from tuner.cost_model import CostModel
from tuner.errors import TunerError
from tuner.strategy import SEARCHERS, AutoTvmStrategy
from tuner.templates import template_for
from tuner.testing.conformance import StrategyConformance, as_known, search

WORKLOAD = "a" * 64


def make(
    searcher: str,
    *,
    seed: int = 0,
    known: Mapping[str, Measured] | None = None,
    model: CostModel | None = None,
) -> AutoTvmStrategy:
    return AutoTvmStrategy(
        WORKLOAD, dense_facts(), ARCH, seed=seed, known=known, searcher=searcher, model=model
    )


class _Conformance(StrategyConformance):
    SEARCHER: str

    def make(
        self, *, seed: int = 0, known: Mapping[str, Measured] | None = None
    ) -> AutoTvmStrategy:
        return make(self.SEARCHER, seed=seed, known=known)


class TestGrid(_Conformance):
    SEARCHER = "grid"


class TestRandom(_Conformance):
    SEARCHER = "random"


class TestGenetic(_Conformance):
    SEARCHER = "genetic"


class TestXgb(_Conformance):
    SEARCHER = "xgb"


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(searcher: str) -> None:
    whole = search(make(searcher), 45)
    for cut in (1, 13, 32):
        later = search(make(searcher, known=as_known(whole[:cut])), 45 - cut)
        assert [o.candidate for o in later] == [o.candidate for o in whole[cut:]]


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_the_whole_space_is_reached(searcher: str) -> None:
    strategy = make(searcher)
    facts = dense_facts()
    space = template_for(facts).space(facts, simd_of(ARCH))
    told = search(strategy, 10_000, batch=7)
    assert len(told) == len(space)
    assert strategy.remaining == 0
    assert strategy.ask(1) == []


@pytest.mark.parametrize("searcher", [s for s in SEARCHERS if s != "grid"])
def test_another_seed_searches_elsewhere(searcher: str) -> None:
    first, other = (search(make(searcher, seed=seed), 20) for seed in (1, 2))
    assert [o.candidate for o in first] != [o.candidate for o in other]


def test_an_unknown_searcher_is_named() -> None:
    with pytest.raises(TunerError, match="unknown searcher 'bayes'; known are xgb"):
        make("bayes")
