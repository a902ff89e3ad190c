"""The seam of searching a configuration space."""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuner.cost_model import CostModel, Table
from tuner.templates import Config


@dataclass(frozen=True, slots=True)
class Problem:
    """What a searcher is given; configurations go by their place in `configs`."""

    configs: Sequence[Config]
    #: Features of the configurations at some places.
    features: Callable[[Sequence[int]], Table]
    #: What other workloads taught.
    prior: CostModel | None = None


class Searcher(ABC):
    """Proposes configurations, learning from those that were told.

    Contract
    --------
    - `ask` proposes no configuration twice, nor one that was told.
    - Proposals follow from the problem, the seed, and what was told and asked so far, in order:
      a searcher that is made anew and told the same goes on with the same proposals.
    - `tell` may come in any order, also for what was never asked.
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._seed = seed
        #: Seconds by place in the order of telling; None if it failed.
        self._told: dict[int, float | None] = {}
        #: Places asked and not told yet.
        self._out: set[int] = set()

    @property
    def remaining(self) -> int:
        """Configurations that were neither asked nor told."""
        return len(self._problem.configs) - len(self._told) - len(self._out)

    def ask(self, count: int) -> list[int]:
        """Places of up to `count` configurations to try; none when all are known."""
        asked = []
        for _ in range(min(count, self.remaining)):
            place = self._next()
            self._out.add(place)
            asked.append(place)
        return asked

    def claim(self, place: int) -> None:
        """Note that a configuration is being tried without having been proposed."""
        if place not in self._told:
            self._out.add(place)

    def tell(self, place: int, secs: float | None) -> None:
        """Report the median seconds of a configuration; None if it failed."""
        self._out.discard(place)
        self._told[place] = secs

    @abstractmethod
    def _next(self) -> int:
        """One that is open; there is at least one."""

    def _is_open(self, place: int) -> bool:
        return place not in self._told and place not in self._out

    def _open(self) -> list[int]:
        return [p for p in range(len(self._problem.configs)) if self._is_open(p)]

    def _random(self) -> random.Random:
        """A source of its own for each proposal, so that none depends on how it was reached."""
        return random.Random(f"{self._seed}/{len(self._told) + len(self._out)}")


def seed_for(seed: int, workload: str) -> int:
    """A seed of its own for each workload, so that neither depends on the order of the others."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{workload}".encode()).digest()[:8], "big")
