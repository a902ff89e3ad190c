"""The seam of search: a strategy proposes candidates and is told how they did."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from db import CpuArch, Measured
from tuner.cost_model import CostModel
from tuner.errors import TunerError
from tuner.strategy.searchers import DEFAULT_SEARCHER
from tuner.templates import template_for
from tuner.templates.elementwise import DefaultTemplate
from tuner.workloads.facts import Facts


@dataclass(frozen=True, slots=True)
class Candidate:
    """One schedule to be tried."""

    #: SHA-256 of what it is, hex: equal candidates are the same schedule of the same workload.
    digest: str
    #: Template configuration.
    config: Mapping[str, int] | None
    #: Trace (JSON text), where there is no configuration.
    trace: str | None = None
    #: Who proposed it: ``autotvm`` or ``ansor``.
    strategy: str = "autotvm"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a candidate did."""

    candidate: Candidate
    #: Median seconds per call; None if it failed.
    secs: float | None


#: Trials of one search that bring nothing until it counts as having reached its plateau.
PATIENCE = 16


class Strategy(ABC):
    """Proposes candidates for one workload on one CPU architecture.

    Contract
    --------
    - `ask` never proposes a candidate twice, nor one that it was told of.
    - Every candidate asked for is told once, in any order, failed ones too.
    - The first candidate ever proposed is the default schedule, unless it is known already.
    - The same seed, workload, cost model and tellings give the same candidates.
    - No method measures, sleeps, or touches a database.
    """

    @abstractmethod
    def ask(self, count: int) -> list[Candidate]:
        """Up to `count` candidates; fewer near the end, none when the search is over."""

    @abstractmethod
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Report how candidates did; also those of earlier campaigns, before the first `ask`."""

    @property
    @abstractmethod
    def remaining(self) -> int:
        """Candidates that are still to be proposed; while it is not 0, there may be more."""

    @property
    def patience(self) -> int:
        """Candidates without news after which little is to be hoped for."""
        return PATIENCE


def config_digest(workload: str, template: str, config: Mapping[str, int]) -> str:
    """Identity of a template configuration."""
    text = json.dumps([workload, template, sorted(config.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def make_strategy(
    name: str,
    workload: str,
    facts: Facts,
    arch: CpuArch,
    *,
    seed: int,
    known: Mapping[str, Measured],
    tir: str,
    searcher: str = DEFAULT_SEARCHER,
    model: CostModel | None = None,
    roofline: float | None = None,
) -> Strategy:
    """The strategy `name` for a workload, told of what is known of it already.

    Parameters
    ----------
    workload
        Digest of the workload.
    known
        What earlier campaigns measured of it, by candidate, the oldest first.
    tir
        The unscheduled function, TVM JSON text.
    searcher
        How a template's configuration space is searched: a key of `tuner.strategy.SEARCHERS`.
    model
        What other workloads taught; None starts from nothing.
    roofline
        Seconds that no schedule of it can beat; None if unknown.

    Raises
    ------
    TunerError
        If there is no such strategy.
    """
    from tuner.strategy.ansor import AnsorStrategy
    from tuner.strategy.auto import AutoStrategy
    from tuner.strategy.autotvm import AutoTvmStrategy

    def sketches(known: Mapping[str, Measured]) -> Strategy:
        return AnsorStrategy(workload, facts, arch, tir=tir, seed=seed, known=known, model=model)

    if name == "ansor":
        return sketches(known)
    if name not in ("auto", "autotvm"):
        raise TunerError(f"unknown strategy {name!r}; known are auto, autotvm, ansor")
    template = AutoTvmStrategy(
        workload, facts, arch, seed=seed, known=known, searcher=searcher, model=model
    )
    if name == "autotvm":
        return template
    return AutoStrategy(
        template,
        sketches,
        own_template=not isinstance(template_for(facts), DefaultTemplate),
        roofline=roofline,
        known=known,
    )
