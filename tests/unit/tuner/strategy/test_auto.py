"""The auto strategy: templates first, sketches where there is more to be won."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from db import Measured
from db.testing.builders import ARCH
from tests.unit.tuner.strategy.workloads import dense_facts
from tuner.strategy import AutoStrategy, AutoTvmStrategy, Candidate, Outcome, Strategy
from tuner.testing.conformance import StrategyConformance, as_known, search

WORKLOAD = "a" * 64
#: Faster and slower than anything that the suite invents.
FAST, SLOW = 1e-9, 1.0


class Sketches(Strategy):
    """Some sketches in a row."""

    def __init__(self, known: Mapping[str, Measured]) -> None:
        self.known = dict(known)
        self._left = [c for n in range(60) if (c := self._candidate(n)).digest not in self.known]

    def _candidate(self, number: int) -> Candidate:
        return Candidate(f"{number:064}", None, f"[[{number}],[]]", "ansor")

    def ask(self, count: int) -> list[Candidate]:
        asked, self._left = self._left[:count], self._left[count:]
        return asked

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        told = {o.candidate.digest for o in outcomes}
        self._left = [c for c in self._left if c.digest not in told]

    @property
    def remaining(self) -> int:
        return len(self._left)


def make(
    *,
    own_template: bool = True,
    roofline: float | None = FAST,
    seed: int = 0,
    known: Mapping[str, Measured] | None = None,
) -> AutoStrategy:
    known = known or {}
    template = AutoTvmStrategy(WORKLOAD, dense_facts(), ARCH, seed=seed, known=known)
    return AutoStrategy(
        template, Sketches, own_template=own_template, roofline=roofline, known=known
    )


class TestWithTemplate(StrategyConformance):
    TRIALS = 60

    def make(self, *, seed: int = 0, known: Mapping[str, Measured] | None = None) -> Strategy:
        return make(seed=seed, known=known)


class TestWithoutTemplate(StrategyConformance):
    def make(self, *, seed: int = 0, known: Mapping[str, Measured] | None = None) -> Strategy:
        return make(own_template=False, seed=seed, known=known)


def _who(told: Sequence[Outcome]) -> str:
    """One letter per candidate: whose it was."""
    return "".join("t" if o.candidate.config is not None else "s" for o in told)


def test_the_template_goes_first_until_it_has_no_news() -> None:
    strategy = make()
    who = _who(search(strategy, 10_000))
    first = who.index("s")
    assert first >= strategy.patience // 2
    assert "s" in who[first : first + 2]
    # In the end both are searched whole.
    assert who.count("s") == 60
    assert strategy.remaining == 0


@pytest.mark.parametrize("roofline", [SLOW, None])
def test_nothing_to_be_won_is_not_sketched(roofline: float | None) -> None:
    strategy = make(roofline=roofline)
    patience = strategy.patience
    assert "s" not in _who(search(strategy, 10_000))
    assert strategy.remaining == 0
    assert make(roofline=FAST).patience <= 2 * patience


def test_without_a_template_of_its_own_sketches_come_behind_the_default() -> None:
    assert _who(search(make(own_template=False, roofline=SLOW), 6)) == "tsssss"


def test_sketches_know_what_the_template_taught() -> None:
    made: list[Sketches] = []

    def sketches(known: Mapping[str, Measured]) -> Strategy:
        made.append(Sketches(known))
        return made[0]

    template = AutoTvmStrategy(WORKLOAD, dense_facts(), ARCH)
    strategy = AutoStrategy(template, sketches, own_template=True, roofline=FAST, known={})
    told = search(strategy, 60)
    before = told[: _who(told).index("s")]
    assert {d: m.median for d, m in made[0].known.items()} == {
        o.candidate.digest: o.secs for o in before
    }
    assert len(made) == 1


def test_an_interrupted_search_goes_on_where_it_was() -> None:
    whole = search(make(), 60)
    later = search(make(known=as_known(whole[:40])), 20)
    assert [o.candidate for o in later] == [o.candidate for o in whole[40:]]
