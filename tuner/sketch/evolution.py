"""Evolutionary search over the programs of a sketch space, led by the cost model.

Method: Zheng et al., "Ansor" (2020), section 5: random programs and mutants of the fastest ones are
bred for some generations in which the cost model is the fitness; what it ranks highest is measured,
and a few at random, because a model is blind to what it was never told.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.arch import Simd
from tuner.cost_model import CostModel, Table, fit
from tuner.sketch.features import STORE_COLUMNS, store_features
from tuner.sketch.limits import effort_of, too_much
from tuner.sketch.space import Program, SketchSpace

#: Measurements without which a model of this workload alone says nothing.
_FEWEST = 4
#: Draws for one program before the space counts as empty of new ones.
_DRAWS = 4
#: Largest seed that TVM's generator takes.
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class EvolutionOptions:
    """How much is bred for one call of `Evolution.propose`."""

    #: Programs drawn at random.
    fresh: int = 16
    #: Part of them whose tiles are mended to whole vectors.
    mended: float = 0.8
    #: Programs that have children: measured ones first, then those that the model ranks highest.
    parents: int = 12
    #: Children of the measured ones, and of each generation after them.
    children: int = 16
    #: Generations that the model alone judges.
    generations: int = 2
    #: One proposal in so many is random.
    explore: int = 8


@dataclass(frozen=True, slots=True)
class Lesson:
    """A measured program."""

    program: Program
    #: Median seconds per call; None if it failed.
    secs: float | None


class Evolution:
    """Proposes programs of a space.

    What `propose` returns follows from its arguments alone.

    Parameters
    ----------
    prior
        What other workloads taught; used if it looks at the same features.
    """

    def __init__(
        self,
        space: SketchSpace,
        simd: Simd,
        seed: int,
        *,
        prior: CostModel | None = None,
        options: EvolutionOptions = EvolutionOptions(),
    ) -> None:
        #: Where programs come from.
        self.space = space
        self._simd, self._seed, self._options = simd, seed, options
        self._prior = prior if prior and not set(STORE_COLUMNS).isdisjoint(prior.columns) else None
        #: Features by program: extracting them takes longer than all the rest.
        self._rows: dict[int, np.ndarray] = {}
        #: Programs turned down before LLVM saw them, by reason.
        self.rejected: Counter[str] = Counter()

    def propose(
        self, count: int, turn: tuple[int, int], lessons: Sequence[Lesson]
    ) -> list[Program]:
        """Up to `count` programs that are worth measuring, the most promising first.

        Parameters
        ----------
        turn
            Numbers of this call: others make other random choices.
        lessons
            What was measured; none of it is proposed again.
        """
        rng, options = random.Random(f"{self._seed}/{turn[0]}/{turn[1]}"), self._options
        pool = _Pool(lesson.program.key for lesson in lessons)
        self._draw(pool, rng)
        drawn = list(pool.programs)
        model = self._model(lessons)
        if model is None:
            return self._fitting(drawn, count)
        self._breed(pool, self._elders(lessons), rng)
        for _ in range(options.generations):
            self._breed(pool, self._ranked(model, pool.programs)[: options.parents], rng)
        best = self._fitting(self._ranked(model, pool.programs), count - count // options.explore)
        return best + self._fitting([p for p in drawn if p not in best], count - len(best))

    def _model(self, lessons: Sequence[Lesson]) -> CostModel | None:
        """What ranks programs: the prior if there is one, corrected by what was measured here."""
        secs = [lesson.secs for lesson in lessons]
        if len(set(secs) - {None}) < _FEWEST:
            return self._prior
        table = self._features([lesson.program for lesson in lessons])
        if self._prior is not None:
            return self._prior.refined(table, secs)
        return fit(table, secs, [0] * len(secs))

    def _features(self, programs: Sequence[Program]) -> Table:
        new = {p.key: p.sch for p in programs if p.key not in self._rows}
        if new:
            table = store_features(self.space.context, list(new.values()))
            self._rows.update(zip(new, table.values, strict=True))
        return Table(STORE_COLUMNS, np.stack([self._rows[p.key] for p in programs]))

    def _ranked(self, model: CostModel, programs: Sequence[Program]) -> list[Program]:
        scores = model.predict(self._features(programs))
        # Stable, so that equals stay in the order in which they were made.
        return [programs[i] for i in np.argsort(-scores, kind="stable").tolist()]

    def _elders(self, lessons: Sequence[Lesson]) -> list[Program]:
        """The fastest programs that were measured."""
        ran = [(x.secs, i) for i, x in enumerate(lessons) if x.secs is not None]
        programs = [lessons[i].program for _, i in sorted(ran)]
        return [p for p in programs if p.mutable][: self._options.parents]

    def _draw(self, pool: _Pool, rng: random.Random) -> None:
        """Add random programs, of each sketch in turn."""
        sketches, count = len(self.space.sketches), self._options.fresh
        for i in range(count * _DRAWS):
            if len(pool.programs) >= count:
                return
            seed, mended = rng.randrange(1, _MAX_SEED), rng.random() < self._options.mended
            pool.add(self.space.sample(i % sketches, seed, whole_vectors=mended))

    def _breed(self, pool: _Pool, parents: Sequence[Program], rng: random.Random) -> None:
        """Add mutants of some programs; the first of them have most."""
        count = self._options.children if parents else 0
        end = len(pool.programs) + count
        for _ in range(count * _DRAWS):
            if len(pool.programs) >= end:
                return
            place = min(rng.randrange(len(parents)), rng.randrange(len(parents)))
            pool.add(self.space.mutate(parents[place], rng))

    def _fitting(self, programs: Sequence[Program], count: int) -> list[Program]:
        """The first `count` that LLVM can do something with; the others are counted."""
        fitting: list[Program] = []
        for program in programs:
            if len(fitting) >= count:
                break
            reason = self._reason(program)
            if reason:
                self.rejected[reason] += 1
            else:
                fitting.append(program)
        return fitting

    def _reason(self, program: Program) -> str:
        try:
            return too_much(effort_of(program.mod, self._simd), self._simd)
        except Exception:  # TVM refuses it now rather than in the builder.
            return "lowering"


class _Pool:
    """Programs, each once and in the order they came; not those that are known."""

    def __init__(self, known: Iterable[int]) -> None:
        self._keys = set(known)
        self.programs: list[Program] = []

    def add(self, program: Program | None) -> None:
        if program is not None and program.key not in self._keys:
            self._keys.add(program.key)
            self.programs.append(program)
