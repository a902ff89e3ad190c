"""Searchers that learn nothing: what the others are compared with."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterable

from tuner.strategy.searchers.base import Problem, Searcher


class _FixedOrder(Searcher):
    """Takes the configurations one after the other."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._order = iter(self._ordered(len(problem.configs)))

    @abstractmethod
    def _ordered(self, count: int) -> Iterable[int]:
        """Every place below `count`, once."""

    def _next(self) -> int:
        return next(place for place in self._order if self._is_open(place))


class GridSearcher(_FixedOrder):
    """In the order of the grid."""

    def _ordered(self, count: int) -> Iterable[int]:
        return range(count)


class RandomSearcher(_FixedOrder):
    """In random order."""

    def _ordered(self, count: int) -> Iterable[int]:
        order = list(range(count))
        random.Random(self._seed).shuffle(order)
        return order
