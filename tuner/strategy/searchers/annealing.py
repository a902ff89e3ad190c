"""XGBoost-guided search: what the cost model ranks highest is tried next.

Method: Chen et al., "Learning to Optimize Tensor Programs" (2018). The model ranks candidates; in
a space too large to be ranked whole, chains of simulated annealing look for its highest scores.
Every few proposals one is random, because a model is blind to what it was never told.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner.cost_model import CostModel, Table, fit
from tuner.strategy.searchers.base import Problem, Searcher

#: Trials before the first model of a workload, or the first correction of what others taught.
_FIRST = 6
#: One proposal in so many is random.
_EXPLORE = 16
#: Spaces up to this are ranked whole: annealing could only miss some of it.
_WHOLE = 4096
#: Chains of annealing, and steps of each.
_CHAINS, _STEPS = 128, 60
#: Measurements that a model is refined by: the newest.
_LESSONS = 512


class AnnealingSearcher(Searcher):
    """See the module's text."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        names = list(problem.configs[0]) if problem.configs else []
        self._points = np.array([[c[n] for n in names] for c in problem.configs])
        self._model = problem.prior
        self._learned = 0
        places = range(len(problem.configs))
        #: Features of the whole space, where it is ranked whole.
        self._table = problem.features(places) if len(places) <= _WHOLE else None
        #: Places from the highest score on.
        self._ranking: list[int] | None = None

    def _next(self) -> int:
        rng = self._random()
        self._learn()
        number = len(self._told) + len(self._out)
        if self._model is None or number % _EXPLORE == _EXPLORE - 1:
            return rng.choice(self._open())
        if self._ranking is None:
            self._ranking = self._ranked(self._model)
        ahead = (place for place in self._ranking if self._is_open(place))
        place = next(ahead, None)
        return rng.choice(self._open()) if place is None else place

    def _learn(self) -> None:
        """Refine the prior by what was told, every few tellings."""
        count = len(self._told)
        due = count - count % _every(count)
        if due == self._learned or due < _FIRST:
            return
        told = list(self._told.items())[:due][-_LESSONS:]
        table = self._features([place for place, _ in told])
        secs = [s for _, s in told]
        prior = self._problem.prior
        self._model = prior.refined(table, secs) if prior else fit(table, secs, [0] * len(told))
        self._learned, self._ranking = due, None

    def _features(self, places: Sequence[int]) -> Table:
        return self._problem.features(places) if self._table is None else self._table.rows(places)

    def _ranked(self, model: CostModel) -> list[int]:
        places = self._annealed(model) if self._table is None else np.arange(len(self._points))
        scores = model.predict(self._features(places.tolist()))
        # Stable, so that equals stay in the order of the space.
        ranking: list[int] = places[np.argsort(-scores, kind="stable")].tolist()
        return ranking

    def _annealed(self, model: CostModel) -> np.ndarray:
        """Places that chains of simulated annealing came by."""
        rng = np.random.default_rng([self._seed % 2**63, self._learned])
        best = sorted((s, p) for p, s in self._told.items() if s is not None)[: _CHAINS // 4]
        drawn = rng.integers(0, len(self._points), _CHAINS - len(best))
        at = np.array([p for _, p in best] + drawn.tolist())
        scores = model.predict(self._problem.features(at.tolist()))
        seen = [at]
        for step in range(_STEPS):
            heat = float(np.std(scores) + 1e-6) * (1.0 - step / _STEPS)
            steps = self._neighbours(at, rng)
            news = model.predict(self._problem.features(steps.tolist()))
            # Metropolis: a worse place is taken the less, the worse it is and the colder it gets.
            taken = rng.random(len(at)) < np.exp(np.minimum(0.0, (news - scores) / max(heat, 1e-9)))
            at, scores = np.where(taken, steps, at), np.where(taken, news, scores)
            seen.append(steps)
        return np.unique(np.concatenate(seen))

    def _neighbours(self, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For each place another one, of some drawn that with the fewest knobs changed."""
        drawn = rng.integers(0, len(self._points), (len(at), 16))
        changed = (self._points[drawn] != self._points[at][:, None, :]).sum(axis=2)
        changed[changed == 0] = self._points.shape[1] + 1
        nearest: np.ndarray = drawn[np.arange(len(at)), changed.argmin(axis=1)]
        return nearest


def _every(count: int) -> int:
    """Tellings from one refinement to the next: fewer while each tells much."""
    return 2 if count < 16 else 4 if count < 32 else 8 if count < 128 else 32
