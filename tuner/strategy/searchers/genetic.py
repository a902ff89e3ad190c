"""Genetic search: children of the fastest configurations so far."""

from __future__ import annotations

import random

from tuner.strategy.searchers.base import Problem, Searcher

#: Configurations that may have children.
_PARENTS = 12
#: Trials before the first child: what is bred from fewer is hardly better than chance.
_FIRST = 8
#: Chance that a knob of a child takes a value of neither parent.
_MUTATION = 0.15
#: Children tried until one is in the space and new.
_LITTER = 32


class GeneticSearcher(Searcher):
    """Tournament selection, uniform crossover, mutation; steady state, one child at a time."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._names = list(problem.configs[0]) if problem.configs else []
        self._values = {n: sorted({c[n] for c in problem.configs}) for n in self._names}
        self._place = {self._genes(i): i for i in range(len(problem.configs))}

    def _genes(self, place: int) -> tuple[int, ...]:
        return tuple(self._problem.configs[place][name] for name in self._names)

    def _next(self) -> int:
        rng = self._random()
        ran = {p: s for p, s in self._told.items() if s is not None}
        if len(self._told) + len(self._out) >= _FIRST and len(ran) > 1:
            parents = sorted(ran, key=lambda p: (ran[p], p))[:_PARENTS]
            for _ in range(_LITTER):
                child = self._place.get(self._child(rng, parents))
                if child is not None and self._is_open(child):
                    return child
        return rng.choice(self._open())

    def _child(self, rng: random.Random, parents: list[int]) -> tuple[int, ...]:
        # The fastest come first: the smaller of two places in the list wins the tournament.
        one, other = (
            self._genes(parents[min(rng.randrange(len(parents)), rng.randrange(len(parents)))])
            for _ in range(2)
        )
        genes = [rng.choice(pair) for pair in zip(one, other, strict=True)]
        for i, name in enumerate(self._names):
            if rng.random() < _MUTATION:
                genes[i] = rng.choice(self._values[name])
        return tuple(genes)
