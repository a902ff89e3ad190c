"""Search strategies: what to measure next, learned from what was measured."""

from tuner.strategy.ansor import AnsorStrategy
from tuner.strategy.auto import AutoStrategy
from tuner.strategy.autotvm import AutoTvmStrategy
from tuner.strategy.base import Candidate, Outcome, Strategy, make_strategy
from tuner.strategy.progress import Progress
from tuner.strategy.searchers import DEFAULT_SEARCHER, SEARCHERS, Problem, Searcher

__all__ = [
    "DEFAULT_SEARCHER",
    "SEARCHERS",
    "AnsorStrategy",
    "AutoStrategy",
    "AutoTvmStrategy",
    "Candidate",
    "Outcome",
    "Problem",
    "Progress",
    "Searcher",
    "Strategy",
    "make_strategy",
]
