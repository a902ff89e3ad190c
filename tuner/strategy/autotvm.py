"""The autotvm strategy: a schedule template, and a search over its configuration space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from db import CpuArch, Measured
from tuner.arch import simd_of
from tuner.cost_model import CostModel, Table, config_features
from tuner.errors import TunerError
from tuner.strategy.base import Candidate, Outcome, Strategy, config_digest
from tuner.strategy.searchers import DEFAULT_SEARCHER, SEARCHERS, Problem, seed_for
from tuner.templates import Config, template_for
from tuner.workloads.facts import Facts


class AutoTvmStrategy(Strategy):
    """Tries the template's configurations, the default one first.

    Parameters
    ----------
    known
        What earlier campaigns measured, by candidate digest, the oldest first; it teaches the
        searcher and is not proposed again.
    searcher
        A key of `SEARCHERS`.
    model
        What other workloads taught.
    """

    def __init__(
        self,
        workload: str,
        facts: Facts,
        arch: CpuArch,
        *,
        seed: int = 0,
        known: Mapping[str, Measured] | None = None,
        searcher: str = DEFAULT_SEARCHER,
        model: CostModel | None = None,
    ) -> None:
        if searcher not in SEARCHERS:
            raise TunerError(f"unknown searcher {searcher!r}; known are {', '.join(SEARCHERS)}")
        template, simd = template_for(facts), simd_of(arch)
        configs = template.space(facts, simd).configs

        def features(places: Sequence[int]) -> Table:
            return config_features(facts, simd, [configs[p] for p in places])

        self._workload, self._template = workload, template.name
        self._candidates = [self._candidate(config) for config in configs]
        self._place = {c.digest: i for i, c in enumerate(self._candidates)}
        #: The schedule that tuning starts from.
        self.default = self._candidate(template.default(facts, simd))
        self._untried_default = self.default.digest not in (known or {})
        self._searcher = SEARCHERS[searcher](
            Problem(configs, features, model), seed_for(seed, workload)
        )
        for digest, measured in (known or {}).items():
            if digest in self._place:
                self._searcher.tell(self._place[digest], measured.median)

    def _candidate(self, config: Config) -> Candidate:
        return Candidate(config_digest(self._workload, self._template, config), config)

    def ask(self, count: int) -> list[Candidate]:
        """See `Strategy.ask`."""
        first: list[Candidate] = []
        if self._untried_default and count > 0:
            self._untried_default = False
            self._searcher.claim(self._place[self.default.digest])
            first = [self.default]
        return first + [self._candidates[p] for p in self._searcher.ask(count - len(first))]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `Strategy.tell`."""
        for outcome in outcomes:
            digest = outcome.candidate.digest
            if digest in self._place:
                self._untried_default &= digest != self.default.digest
                self._searcher.tell(self._place[digest], outcome.secs)

    @property
    def remaining(self) -> int:
        """See `Strategy.remaining`."""
        return self._searcher.remaining
