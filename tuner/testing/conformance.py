"""The contract of a strategy as tests: subclass, and say how to make one."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from db import Measured
from tuner.strategy import Candidate, Outcome, Strategy


def invented_secs(candidate: Candidate) -> float | None:
    """A latency that depends on the candidate alone; every seventh fails or so."""
    number = int.from_bytes(hashlib.sha256(candidate.digest.encode()).digest()[:4], "big")
    return None if number % 7 == 0 else 1e-6 * (1 + number % 1000)


def outcomes(candidates: Sequence[Candidate]) -> list[Outcome]:
    """What is told of some candidates."""
    return [Outcome(c, invented_secs(c)) for c in candidates]


def as_known(told: Sequence[Outcome]) -> dict[str, Measured]:
    """The same as the database tells it to a later campaign."""
    return {
        o.candidate.digest: Measured(
            o.candidate.digest,
            o.secs,
            None if o.secs is not None else "build_error",
            o.candidate.config,
            o.candidate.trace,
        )
        for o in told
    }


def search(strategy: Strategy, trials: int, *, batch: int = 1) -> list[Outcome]:
    """Ask and tell until `trials` candidates were told or the search is over."""
    told: list[Outcome] = []
    while len(told) < trials:
        asked = strategy.ask(min(batch, trials - len(told)))
        if not asked:
            break
        told += (results := outcomes(asked))
        strategy.tell(results)
    return told


class StrategyConformance:
    """See `tuner.strategy.Strategy`; each test asks for `TRIALS` candidates at most."""

    #: Candidates of one search; fewer where each is dear.
    TRIALS = 40

    @abstractmethod
    def make(self, *, seed: int = 0, known: Mapping[str, Measured] | None = None) -> Strategy:
        """Make a strategy for one workload, always the same one."""

    def test_no_candidate_is_proposed_twice(self) -> None:
        told = search(self.make(), self.TRIALS, batch=3)
        assert told
        assert len({o.candidate.digest for o in told}) == len(told)

    def test_asking_ahead_of_telling_repeats_nothing(self) -> None:
        strategy = self.make()
        asked = [c for _ in range(4) for c in strategy.ask(3)]
        assert len({c.digest for c in asked}) == len(asked)
        strategy.tell(outcomes(asked)[::-1])
        later = strategy.ask(3)
        assert not {c.digest for c in later} & {c.digest for c in asked}

    def test_it_asks_for_no_more_than_it_is_asked(self) -> None:
        strategy = self.make()
        assert strategy.ask(0) == []
        assert len(strategy.ask(1)) == 1
        assert len(strategy.ask(4)) <= 4

    def test_the_default_schedule_comes_first_whatever_the_seed(self) -> None:
        (first,), (other,) = self.make(seed=1).ask(1), self.make(seed=2).ask(1)
        assert first.digest == other.digest

    def test_the_same_seed_gives_the_same_candidates(self) -> None:
        first, second = (search(self.make(seed=5), self.TRIALS) for _ in range(2))
        assert [o.candidate.digest for o in first] == [o.candidate.digest for o in second]

    def test_what_is_known_is_never_proposed(self) -> None:
        told = search(self.make(), self.TRIALS // 2)
        later = search(self.make(seed=3, known=as_known(told)), self.TRIALS)
        assert not {o.candidate.digest for o in told} & {o.candidate.digest for o in later}

    def test_candidates_of_other_strategies_may_be_known(self) -> None:
        foreign = {
            "f" * 64: Measured("f" * 64, 1e-9, None, None, "[[],[]]"),
            "e" * 64: Measured("e" * 64, None, "build_error", {"unheard_of": 3}, None),
        }
        assert search(self.make(known=foreign), 3)

    def test_failures_alone_do_not_end_it(self) -> None:
        strategy = self.make()
        for _ in range(min(8, self.TRIALS)):
            asked = strategy.ask(1)
            strategy.tell([Outcome(c, None) for c in asked])
        assert strategy.remaining == 0 or strategy.ask(1)

    def test_it_is_over_when_nothing_remains(self) -> None:
        strategy = self.make()
        search(strategy, self.TRIALS)
        if strategy.remaining == 0:
            assert strategy.ask(1) == []
        else:
            assert strategy.ask(1)

    def test_every_candidate_can_be_built(self) -> None:
        for outcome in search(self.make(), 8):
            candidate = outcome.candidate
            assert (candidate.config is None) != (candidate.trace is None)
            assert candidate.strategy in ("autotvm", "ansor")
