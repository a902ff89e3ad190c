"""The cost model on workloads it never saw: rank correlation, top-k recall, and what it costs.

Each workload of a database is left out in turn, on all architectures; a model trained on the rest
ranks its configurations. Spearman's correlation is between its ranking and the measured one.
Recall is the part of the k fastest configurations among the k that it ranks highest. Regret says
how much slower than the best of all is the best of those k.

With ``--stores`` the same is done with MetaSchedule's features of each store, alone and beside the
knobs; each of those candidates has to be scheduled.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tvm
from tvm.s_tir.meta_schedule import TuneContext

from benchmarks._spaces import Space, collect, lessons_without, spaces
from db import CpuArch, Store, Workload, open_store
from examples.dlrm import export_dlrm
from tuner.arch import host_arch, resolve, simd_of, target_of
from tuner.cost_model import Table, config_features, dataset, fit
from tuner.cost_model.training import MOST_LESSONS
from tuner.measure import MeasureOptions
from tuner.measure.compile import schedule
from tuner.sketch.features import store_features
from tuner.templates import Config


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well one workload was ranked."""

    spearman: float
    recall: float
    regret: float
    #: Seconds of training.
    secs: float


@dataclass(slots=True)
class Stores:
    """Features of each store, extracted once per candidate."""

    known: dict[tuple[str, str, tuple[tuple[str, int], ...]], Table] = field(default_factory=dict)
    #: Seconds that scheduling and extracting took.
    secs: float = 0.0

    def table(self, workload: Workload, arch: CpuArch, configs: Sequence[Config]) -> Table:
        """One row per configuration."""
        return Table.stacked([self._row(workload, arch, c) for c in configs])

    def _row(self, workload: Workload, arch: CpuArch, config: Config) -> Table:
        key = (workload.digest, arch.name, tuple(sorted(config.items())))
        if key not in self.known:
            start = time.perf_counter()
            func = tvm.ir.load_json(workload.tir)
            mod = schedule(func, arch, config=config).mod
            context = TuneContext(mod=mod, target=target_of(arch), num_threads=1)
            self.known[key] = store_features(context, [mod])
            self.secs += time.perf_counter() - start
        return self.known[key]


def beside(one: Table, other: Table) -> Table:
    """The columns of both."""
    return Table(one.columns + other.columns, np.concatenate([one.values, other.values], axis=1))


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value, the mean of their places for equal ones."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: np.ndarray = (last - (counts - 1) / 2.0)[inverse]
    return middle


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one of them is constant."""
    first, second = ranks(one), ranks(other)
    if first.std() == 0.0 or second.std() == 0.0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def judge(store: Store, space: Space, k: int, limit: int, stores: Stores | None) -> list[Judgement]:
    """Rank a workload by a model of the others: by knobs; with `stores`, by these, and by both."""
    data = dataset(store, lessons_without(store, space)[:limit])
    measured = [m for m in space.measured.values() if m.config is not None]
    configs = [dict(m.config or {}) for m in measured]
    speeds = np.array([0.0 if m.median is None else 1.0 / m.median for m in measured])
    pairs = [(data.table, config_features(space.facts, simd_of(space.arch), configs))]
    if stores is not None and data.groups:
        workloads = store.workloads([key[0] for key in data.keys])
        archs = {a.name: a for a in store.archs()}
        taught = Table.stacked(
            [
                stores.table(workloads[data.keys[g][0]], archs[data.keys[g][1]], [c])
                for g, c in zip(data.groups, data.configs, strict=True)
            ]
        )
        own = stores.table(space.workload, space.arch, configs)
        pairs += [(taught, own), (beside(data.table, taught), beside(pairs[0][1], own))]
    found = []
    for training, asked in pairs:
        if not data.groups:
            return []
        start = time.perf_counter()
        model = fit(training, data.secs, data.groups)
        took = time.perf_counter() - start
        found.append(_judgement(model.predict(asked), speeds, min(k, len(measured)), took))
    return found


def _judgement(scores: np.ndarray, speeds: np.ndarray, k: int, took: float) -> Judgement:
    top = np.argsort(-scores, kind="stable")[:k]
    fastest = np.argsort(-speeds, kind="stable")[:k]
    return Judgement(
        spearman(scores, speeds),
        len(set(top.tolist()) & set(fastest.tolist())) / k,
        float(speeds.max() / max(speeds[top].max(), 1e-12) - 1.0),
        took,
    )


def report(store: Store, k: int, smallest: int, limit: int, *, with_stores: bool) -> None:
    """Judge every space and print a line for each kind of operator."""
    stores = Stores() if with_stores else None
    found: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for space in spaces(store, smallest=smallest):
        names = ("knobs", "stores", "both")
        judged = judge(store, space, k, limit, stores)
        for name, one in zip(names, judged, strict=False):
            found[space.workload.op_kind, name].append(one)
            found["all", name].append(one)
    print(
        f"{'kind':16}{'seen as':>8}{'workloads':>10}{'Spearman':>10}{f'recall@{k}':>11}"
        f"{f'regret@{k} %':>13}{'training s':>12}"
    )
    for (kind, name), rows in sorted(found.items(), key=lambda item: (item[0][0] == "all", *item)):
        print(
            f"{kind:16}{name:>8}{len(rows):>10}"
            f"{statistics.mean(r.spearman for r in rows):>10.2f}"
            f"{statistics.mean(r.recall for r in rows):>11.2f}"
            f"{100 * statistics.mean(r.regret for r in rows):>13.1f}"
            f"{statistics.mean(r.secs for r in rows):>12.2f}"
        )
    if stores is not None and stores.known:
        each = 1e3 * stores.secs / len(stores.known)
        print(f"features of stores: {each:.0f} ms per candidate")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks cost_model", description=__doc__)
    parser.add_argument("--db", help="database with measurements; without it some are made")
    parser.add_argument("--seconds", type=float, default=300.0, help="time to make them")
    parser.add_argument("--smallest", type=int, default=16, help="leave out smaller spaces")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rows", type=int, default=MOST_LESSONS, help="rows to train on")
    parser.add_argument("--stores", action="store_true", help="compare with features of stores")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(args.db or f"sqlite:///{folder}/spaces.db") as store,
    ):
        if args.db is None:
            print(f"measuring for {args.seconds:.0f} s …", flush=True)
            model = Path(folder) / "dlrm.pt2"
            export_dlrm(model)
            options = MeasureOptions(give_up_factor=2.0)
            archs = [host_arch(), resolve("avx2")]
            collect(store, model, archs, (16,), args.seconds, options)
        report(store, args.k, args.smallest, args.rows, with_stores=args.stores)


if __name__ == "__main__":
    main()
