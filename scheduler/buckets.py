"""Which batch sizes deserve kernels of their own, given how the calls spread over batch sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from db import Store

#: Batch sizes among which edges are looked for: the hottest, and the largest.
_CANDIDATES = 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call of a bucket costs: a fixed part, and one for each of its rows."""

    fixed: float
    row: float

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Cost of buckets of so many rows."""
        total: np.ndarray = self.fixed + self.row * rows
        return total


#: Where nothing was measured: a call costs about as much as eight more rows.
DEFAULT_COST = Cost(8.0, 1.0)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Bucket edges, and how good they are."""

    #: Batch sizes, rising; the last is the largest that occurs.
    edges: tuple[int, ...]
    #: Mean cost of a call over that with a bucket for every batch size.
    overhead: float


def propose(traffic: Mapping[int, float], most: int, cost: Cost = DEFAULT_COST) -> Proposal:
    """Choose at most `most` edges so that calls, padded to the next edge, cost least.

    It is the optimal partition of a sorted list into intervals, by dynamic programming over the
    number of edges (Fisher, "On grouping for maximum homogeneity", 1958).

    Parameters
    ----------
    traffic
        Share of the calls by batch size; not empty.
    """
    sizes, shares = _candidates(traffic)
    prices = cost.of(sizes)
    weight = np.concatenate([[0.0], np.cumsum(shares)])
    # best[j]: least cost of the first j sizes, the j-th being an edge; with ever more edges.
    best = np.concatenate([[0.0], prices * weight[1:]])
    chosen: list[np.ndarray] = []
    for _ in range(1, min(most, len(sizes))):
        # Row j, column i: sizes i+1 to j are padded to the j-th.
        table = best[None, :] + np.concatenate([[0.0], prices])[:, None] * (
            weight[:, None] - weight[None, :]
        )
        table[np.triu_indices(len(best))] = np.inf
        table[0, 0] = 0.0
        chosen.append(table.argmin(axis=1))
        best = table.min(axis=1)
    at, edges = len(sizes), [int(sizes[-1])]
    for before in reversed(chosen):
        at = int(before[at])
        if at == 0:
            break
        edges.append(int(sizes[at - 1]))
    ideal = sum(share * float(cost.of(np.array(n))) for n, share in traffic.items())
    padded = sorted(edges)
    spent = sum(
        share * float(cost.of(np.array(next(e for e in padded if e >= n))))
        for n, share in traffic.items()
    )
    return Proposal(tuple(padded), spent / ideal)


def measured_cost(store: Store, model: str, arch: str) -> Cost | None:
    """A line through the latencies of a model's tuned buckets; None if fewer than two are tuned."""
    # Late: TVM takes seconds to import, and proposals without a model need none of it.
    from tuner.arch import resolve, toolchain

    version, target = store.model_version(model), resolve(arch)
    points = []
    for bucket in store.buckets(version.id, target.name):
        tasks = store.tasks(version.id, target.name, bucket)
        records = store.lookup(version.id, bucket, target.name, toolchain().key)
        if tasks and all(task.workload.digest in records for task in tasks):
            seconds = sum(t.calls * records[t.workload.digest].run_secs for t in tasks)
            points.append((bucket, seconds))
    if len(points) < 2:
        return None
    line = np.array(points)
    row, fixed = np.polyfit(line[:, 0], line[:, 1], 1)
    return Cost(max(float(fixed), 0.0), max(float(row), 0.0))


def _candidates(traffic: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Batch sizes, rising, and their shares; shares of those left out count at the next size."""
    hottest = sorted(traffic, key=lambda n: -traffic[n])[:_CANDIDATES]
    sizes = np.array(sorted({*hottest, max(traffic)}))
    shares = np.zeros(len(sizes))
    for batch, share in traffic.items():
        shares[int(np.searchsorted(sizes, batch))] += share
    return sizes, shares
