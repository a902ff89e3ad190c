"""A template turns a configuration into a schedule; a space lists the configurations it takes."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.workloads.facts import Facts

#: One value per knob.
Config = dict[str, int]


@dataclass(frozen=True, slots=True)
class Knob:
    """One choice a template leaves open."""

    name: str
    values: tuple[int, ...]
    #: What it means, for reports.
    doc: str = ""


@dataclass(frozen=True)
class ConfigSpace:
    """The configurations of one workload on one CPU: a grid of knobs less what cannot fit."""

    knobs: tuple[Knob, ...]
    #: True for a configuration that is worth compiling.
    allowed: Callable[[Config], bool] = field(default=lambda config: True)

    @cached_property
    def configs(self) -> tuple[Config, ...]:
        """Every allowed configuration, in the order of the grid."""
        return tuple(c for c in self._grid() if self.allowed(c))

    def _grid(self) -> Iterator[Config]:
        names = [k.name for k in self.knobs]
        for values in itertools.product(*(k.values for k in self.knobs)):
            yield dict(zip(names, values, strict=True))

    def __len__(self) -> int:
        return len(self.configs)

    def __contains__(self, config: Config) -> bool:
        return config in self.configs


class Template(ABC):
    """A parametrised schedule for one kind of operator.

    Contract: `apply` is deterministic, changes only the schedule it is given, and may raise
    ``tvm.error.ScheduleError`` for a configuration outside `space`. Every configuration of
    `space`, and `default`, gives the same results up to rounding.
    """

    #: Name under which measurements and reports know it.
    name: str

    @abstractmethod
    def matches(self, facts: Facts) -> bool:
        """True if a workload is this template's."""

    @abstractmethod
    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """The configurations for a workload on a CPU."""

    @abstractmethod
    def default(self, facts: Facts, simd: Simd) -> Config:
        """The configuration that an untuned workload is served with; it is in `space`."""

    @abstractmethod
    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Schedule ``main`` of `sch`."""


def divisors(n: int, limit: int) -> tuple[int, ...]:
    """Divisors of `n` up to `limit`, rising."""
    return tuple(d for d in range(1, min(n, limit) + 1) if n % d == 0)
