"""The autotvm strategy: a schedule template, and a search over its configuration space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from db import CpuArch, Measured
from tuner.arch import simd_of
from tuner.errors import TunerError
from tuner.strategy.base import Candidate, Outcome, Strategy, config_digest
from tuner.strategy.searchers import SEARCHERS, seed_for
from tuner.templates import Config, template_for
from tuner.workloads.facts import Facts


class AutoTvmStrategy(Strategy):
    """Tries the template's configurations, the default one first.

    Parameters
    ----------
    searcher
        A key of `SEARCHERS`.
    known
        What earlier campaigns measured, by candidate digest; it is not proposed again.
    """

    def __init__(
        self,
        workload: str,
        facts: Facts,
        arch: CpuArch,
        *,
        seed: int = 0,
        known: Mapping[str, Measured] | None = None,
        searcher: str = "random",
    ) -> None:
        if searcher not in SEARCHERS:
            raise TunerError(f"unknown searcher {searcher!r}; known are {', '.join(SEARCHERS)}")
        template = template_for(facts)
        simd = simd_of(arch)
        default = template.default(facts, simd)
        configs = SEARCHERS[searcher](template.space(facts, simd).configs, seed_for(seed, workload))
        configs.remove(default)
        self._workload, self._template = workload, template.name
        known = known or {}
        candidates = [self._candidate(c) for c in (default, *configs)]
        #: The schedule that tuning starts from.
        self.default = candidates[0]
        self._queue = [c for c in candidates if c.digest not in known]
        self._told: dict[str, float | None] = {d: m.median for d, m in known.items()}

    def _candidate(self, config: Config) -> Candidate:
        return Candidate(config_digest(self._workload, self._template, config), config)

    def ask(self, count: int) -> list[Candidate]:
        """See `Strategy.ask`."""
        batch, self._queue = self._queue[:count], self._queue[count:]
        return batch

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `Strategy.tell`."""
        for outcome in outcomes:
            self._told[outcome.candidate.digest] = outcome.secs
        told = {o.candidate.digest for o in outcomes}
        self._queue = [c for c in self._queue if c.digest not in told]

    @property
    def remaining(self) -> int:
        """See `Strategy.remaining`."""
        return len(self._queue)
