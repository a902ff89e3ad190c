"""Searchers: which configuration of a template's space to try next."""

from tuner.strategy.searchers.annealing import AnnealingSearcher
from tuner.strategy.searchers.base import Problem, Searcher, seed_for
from tuner.strategy.searchers.fixed import GridSearcher, RandomSearcher
from tuner.strategy.searchers.genetic import GeneticSearcher

#: Searchers by the name that the command line takes.
SEARCHERS: dict[str, type[Searcher]] = {
    "xgb": AnnealingSearcher,
    "genetic": GeneticSearcher,
    "random": RandomSearcher,
    "grid": GridSearcher,
}

DEFAULT_SEARCHER = "xgb"

__all__ = [
    "DEFAULT_SEARCHER",
    "SEARCHERS",
    "AnnealingSearcher",
    "GeneticSearcher",
    "GridSearcher",
    "Problem",
    "RandomSearcher",
    "Searcher",
    "seed_for",
]
