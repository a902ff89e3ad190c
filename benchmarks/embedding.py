"""Embedding bags against PyTorch and the machine's own limit for random rows, on one core.

Every cell is tuned for some seconds. Then the kernel, PyTorch's ``embedding_bag`` and a plain list
of rows run in turns on the same core; each call looks up rows of its own, so that rows come from
memory. The table lies on huge pages, as in service. PyTorch is timed twice: with a table that it
allocated itself, and with ours. The limit is the fastest kernel found for one long list of rows.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tvm
from tvm import te

from tuner.arch import host_arch, simd_of
from tuner.arena import Arena
from tuner.measure import LocalBuilder, LocalMeasurer, MeasureOptions
from tuner.measure.compile import load_kernel
from tuner.measure.local import split_cores
from tuner.measure.process import THREADS
from tuner.ops import embedding_bag
from tuner.templates import Config, template_for
from tuner.workloads.digest import function_digest, normalise
from tuner.workloads.facts import facts_of

ROWS, WIDTH = 1_000_000, 64
HOTS = (20, 80)
BATCHES = (1, 4, 16, 64, 256)
#: Rows of the list that the limit is measured by.
_LIST = 20_480
#: Rows that one turn of a cell looks up.
_TURN_ROWS = 20_480
#: Calls of a turn at most.
_MOST_CALLS = 256


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table."""

    batch: int
    hots: int

    @property
    def nbytes(self) -> int:
        """Bytes of the rows of one call."""
        return self.batch * self.hots * WIDTH * 4

    def function(self) -> tvm.tirx.PrimFunc:
        """The bag as the importer makes it."""
        table = te.placeholder((ROWS, WIDTH), name="table")
        indices = te.placeholder((self.batch, self.hots), "int64", name="indices")
        func = te.create_prim_func([table, indices, embedding_bag(table, indices)], "int64")
        return normalise(func.with_attr("tirx.noalias", True))


def tune(cell: Cell, seconds: float, tools: tuple[LocalBuilder, LocalMeasurer]) -> tuple[str, int]:
    """Code of the fastest candidate found within `seconds`, confirmed in turns; and the trials."""
    func, (builder, measurer) = cell.function(), tools
    facts, digest, tir = facts_of(func), function_digest(func), tvm.ir.save_json(func)
    template, simd = template_for(facts), simd_of(host_arch())
    default = template.default(facts, simd)
    others: list[Config] = [c for c in template.space(facts, simd).configs if c != default]
    random.Random(0).shuffle(others)
    found: list[tuple[float, str]] = []
    end, trials = time.monotonic() + seconds, 0
    for config in (default, *others):
        built = builder.build(tir, host_arch(), config=config, trace=None)
        assert built.code is not None, built.failure
        best = min((secs for secs, _ in found), default=None)
        ran = measurer.run(digest, tir, built.code, best=best)
        trials += 1
        if ran.failure is None:
            found.append((ran.median, built.code))
        if trials == 1:
            # Making the table takes seconds; the budget is for searching.
            end = time.monotonic() + seconds
        if time.monotonic() > end:
            break
    if not found:
        raise SystemExit(f"no candidate of {cell} could be measured")
    finalists = [code for _, code in sorted(found)[:3]]
    runs = measurer.compare(digest, tir, finalists)
    return min(zip(runs, finalists, strict=True), key=lambda pair: pair[0].median)[1], trials


class Contest:
    """Kernels and PyTorch on one table."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        self._arena = Arena([((ROWS, WIDTH), "float32")])
        self._table = self._arena.empty((ROWS, WIDTH), "float32")
        ours = np.from_dlpack(self._table)
        ours[...] = np.random.default_rng(0).standard_normal(WIDTH).astype(np.float32)
        self._own = torch.empty(ROWS, WIDTH)
        self._own.copy_(torch.from_numpy(ours))
        self._same = torch.from_numpy(ours)
        self._rng = np.random.default_rng(1)
        self._torch = torch

    def _calls(self, cell: Cell) -> int:
        return max(1, min(_MOST_CALLS, _TURN_ROWS // (cell.batch * cell.hots)))

    def _indices(self, cell: Cell) -> list[np.ndarray]:
        size = (cell.batch, cell.hots)
        return [self._rng.integers(0, ROWS, size) for _ in range(self._calls(cell))]

    def kernel(self, code: str, cell: Cell) -> Callable[[], float]:
        """A turn of a kernel: seconds per call."""
        run = load_kernel(code)["main"]
        out = tvm.runtime.tensor(np.zeros((cell.batch, WIDTH), np.float32))

        def turn() -> float:
            sets = [tvm.runtime.tensor(i) for i in self._indices(cell)]
            return _timed([partial(run, self._table, i, out) for i in sets])

        return turn

    def torch(self, cell: Cell, *, own: bool) -> Callable[[], float]:
        """A turn of PyTorch: seconds per call."""
        bag, table = self._torch.nn.functional.embedding_bag, self._own if own else self._same

        def turn() -> float:
            sets = [self._torch.from_numpy(i) for i in self._indices(cell)]
            return _timed([partial(bag, i, table, mode="sum") for i in sets])

        return turn


def _timed(calls: Sequence[Callable[[], Any]]) -> float:
    start = time.perf_counter()
    for call in calls:
        call()
    return (time.perf_counter() - start) / len(calls)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks embedding", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="tuning time of each cell")
    parser.add_argument("--rounds", type=int, default=15, help="turns of the comparison")
    args = parser.parse_args()
    options = MeasureOptions()
    cells = [Cell(batch, hots) for hots in HOTS for batch in BATCHES]
    listed = Cell(1, _LIST)
    tools = LocalBuilder(options), LocalMeasurer(options)
    try:
        tuned = {cell: tune(cell, args.seconds, tools) for cell in (listed, *cells)}
    finally:
        for tool in tools:
            tool.close()
    os.sched_setaffinity(0, {split_cores(options.core)[0]})
    contest = Contest()
    print(f"{host_arch().name}, one core; table of {ROWS} x {WIDTH} float32")
    print(
        f"{'rows':>5}{'batch':>7}{'trials':>8}{'us':>9}{'GB/s':>7}{'% of limit':>12}"
        f"{'x PyTorch':>11}{'same pages':>12}"
    )
    limit = contest.kernel(tuned[listed][0], listed)
    ratios = []
    for cell in cells:
        code, trials = tuned[cell]
        turns = (
            contest.kernel(code, cell),
            contest.torch(cell, own=True),
            contest.torch(cell, own=False),
            limit,
        )
        secs = [[turn() for turn in turns] for _ in range(args.rounds + 1)][1:]
        ours, own, same, row_list = (
            statistics.median(column) for column in zip(*secs, strict=True)
        )
        rate, most = cell.nbytes / ours, listed.nbytes / row_list
        ratios.append(own / ours)
        print(
            f"{cell.hots:>5}{cell.batch:>7}{trials:>8}{ours * 1e6:>9.1f}{rate / 1e9:>7.2f}"
            f"{100 * rate / most:>12.1f}{own / ours:>11.2f}{same / ours:>12.2f}",
            flush=True,
        )
    print(f"lowest x PyTorch: {min(ratios):.2f}, geometric mean "
          f"{statistics.geometric_mean(ratios):.2f}; limit {most / 1e9:.2f} GB/s")  # fmt: skip


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
