"""Training from the database: what was measured of other shapes, buckets and architectures."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tvm

from db import CpuArch, Lesson, Store
from tuner.arch import simd_of
from tuner.cost_model.features import config_features
from tuner.cost_model.ranker import CostModel, fit
from tuner.cost_model.table import Table
from tuner.templates import Config
from tuner.workloads.facts import Facts, facts_of

#: Measurements that a model is trained on: enough to rank well, few enough to take a second.
MOST_LESSONS = 2048
#: A group of fewer compares too little to teach anything.
_SMALLEST_GROUP = 3

_Key = tuple[str, str, str, str]
_Knobs = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Measured candidates in groups that may be compared."""

    table: Table
    #: Configuration of each row.
    configs: list[Config]
    #: Median seconds of each row; None if it failed.
    secs: list[float | None]
    #: Number of the group of each row, rising.
    groups: list[int]
    #: (workload, architecture, toolchain, regime) of each group.
    keys: list[_Key]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and what it cost."""

    #: None where too little was measured.
    model: CostModel | None
    rows: int
    groups: int
    #: Seconds that reading and training took.
    secs: float


def train(store: Store, op_kind: str, flops: float, *, limit: int = MOST_LESSONS) -> Trained:
    """Train a model on what the database has of an operator kind.

    Parameters
    ----------
    flops
        Size of the workload to be tuned: those nearest to it teach.
    limit
        Measurements at most, the newest.
    """
    start = time.perf_counter()
    data = dataset(store, store.lessons(op_kind, flops, limit=limit))
    model = fit(data.table, data.secs, data.groups) if data.groups else None
    return Trained(model, len(data.groups), len(data.keys), time.perf_counter() - start)


def dataset(store: Store, lessons: Sequence[Lesson]) -> Dataset:
    """Lessons with their features, each candidate of a group once, with its fastest time."""
    archs = {a.name: a for a in store.archs()}
    workloads = store.workloads(sorted({one.workload for one in lessons}))
    tables: list[Table] = []
    configs: list[Config] = []
    secs: list[float | None] = []
    groups: list[int] = []
    keys: list[_Key] = []
    for key, found in sorted(_grouped(lessons).items()):
        if len(found) < _SMALLEST_GROUP:
            continue
        made = [dict(knobs) for knobs in found]
        tables.append(_features(workloads[key[0]].tir, archs[key[1]], made))
        configs += made
        secs += found.values()
        groups += [len(keys)] * len(found)
        keys.append(key)
    return Dataset(Table.stacked(tables), configs, secs, groups, keys)


def _grouped(lessons: Sequence[Lesson]) -> dict[_Key, dict[_Knobs, float | None]]:
    """Median of each configuration by group; None where it always failed."""
    groups: dict[_Key, dict[_Knobs, float | None]] = {}
    for one in lessons:
        group = groups.setdefault((one.workload, one.arch, one.toolchain, one.regime), {})
        knobs = _knobs(one.config)
        known = group.get(knobs)
        group[knobs] = one.median if known is None else min(known, one.median or known)
    return groups


def _knobs(config: Mapping[str, int]) -> _Knobs:
    return tuple(sorted(config.items()))


def _features(tir: str, arch: CpuArch, configs: Sequence[Config]) -> Table:
    return config_features(_facts(tir), simd_of(arch), configs)


@functools.lru_cache(maxsize=512)
def _facts(tir: str) -> Facts:
    """Reading a function takes milliseconds, and a night comes back to the same ones."""
    return facts_of(tvm.ir.load_json(tir))
