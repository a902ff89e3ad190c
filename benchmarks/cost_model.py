"""The cost model on workloads it never saw: rank correlation, top-k recall, and what it costs.

Each workload of a database is left out in turn, on all architectures; a model trained on the rest
ranks its configurations. Spearman's correlation is between its ranking and the measured one.
Recall is the part of the k fastest configurations among the k that it ranks highest. Regret says
how much slower than the best of all is the best of those k.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks._spaces import Space, collect, lessons_without, spaces
from db import Store, open_store
from examples.dlrm import export_dlrm
from tuner.arch import host_arch, resolve, simd_of
from tuner.cost_model import config_features, dataset, fit
from tuner.cost_model.training import MOST_LESSONS
from tuner.measure import MeasureOptions


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


def judge(store: Store, space: Space, k: int, limit: int) -> tuple[float, float, float, float]:
    """Correlation, recall and regret on one workload left out, and the seconds of training."""
    start = time.perf_counter()
    data = dataset(store, lessons_without(store, space)[:limit])
    if not data.groups:
        return 0.0, 0.0, 0.0, 0.0
    model = fit(data.table, data.secs, data.groups)
    took = time.perf_counter() - start
    measured = [m for m in space.measured.values() if m.config is not None]
    configs = [dict(m.config or {}) for m in measured]
    scores = model.predict(config_features(space.facts, simd_of(space.arch), configs))
    speeds = np.array([0.0 if m.median is None else 1.0 / m.median for m in measured])
    k = min(k, len(measured))
    top = np.argsort(-scores, kind="stable")[:k]
    fastest = np.argsort(-speeds, kind="stable")[:k]
    recall = len(set(top.tolist()) & set(fastest.tolist())) / k
    regret = float(speeds.max() / max(speeds[top].max(), 1e-12) - 1.0)
    return spearman(scores, speeds), recall, regret, took


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks cost_model", description=__doc__)
    parser.add_argument("--db", help="database with measurements; without it some are made")
    parser.add_argument("--seconds", type=float, default=300.0, help="time to make them")
    parser.add_argument("--smallest", type=int, default=16, help="leave out smaller spaces")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rows", type=int, default=MOST_LESSONS, help="rows to train on")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = args.db or f"sqlite:///{folder}/spaces.db"
        with open_store(url) as store:
            if args.db is None:
                print(f"measuring for {args.seconds:.0f} s …", flush=True)
                model = Path(folder) / "dlrm.pt2"
                export_dlrm(model)
                options = MeasureOptions(min_repeat_s=0.004, repeats=3, give_up_factor=2.0)
                collect(store, model, [host_arch(), resolve("avx2")], (16,), args.seconds, options)
            report(store, args.k, args.smallest, args.rows)


def report(store: Store, k: int, smallest: int, limit: int) -> None:
    """Judge every space and print a line for each kind of operator."""
    found = defaultdict(list)
    for space in spaces(store, smallest=smallest):
        found[space.workload.op_kind].append(judge(store, space, k, limit))
    print(
        f"{'kind':16}{'workloads':>10}{'Spearman':>10}{f'recall@{k}':>11}"
        f"{f'regret@{k} %':>13}{'training s':>12}"
    )
    lines = {kind: rows for kind, rows in sorted(found.items()) if len(rows) > 1}
    lines["all"] = [row for rows in lines.values() for row in rows]
    for kind, rows in lines.items():
        if rows:
            rank, recall, regret, took = (
                statistics.mean(column) for column in zip(*rows, strict=True)
            )
            print(
                f"{kind:16}{len(rows):>10}{rank:>10.2f}{recall:>11.2f}"
                f"{100 * regret:>13.1f}{took:>12.2f}"
            )


if __name__ == "__main__":
    main()
