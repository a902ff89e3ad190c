"""Chains, reductions, softmax, layer norm, concatenation and products of activations, on one core.

Every cell is tuned for some seconds into a database (given again, it is used and added to). Then
its default schedule, its best record, the roofs and PyTorch run in turns on the same core, about a
millisecond each. The roofline is the larger of the operations at the peak, an exponential counted
as one, and of the bytes at the rate read; storing is slower than reading, so that no chain reaches
it. Figures are of the fastest turns.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tvm

from benchmarks._layers import tune
from db import CpuArch, Store, open_store
from tuner.arch import host_arch, resolve, runs_on, simd_of, toolchain
from tuner.measure import MeasureOptions
from tuner.measure.calibration import calibrate
from tuner.measure.compile import build_kernel, load_kernel
from tuner.measure.data import make_arguments
from tuner.measure.local import split_cores
from tuner.measure.process import THREADS
from tuner.measure.roofline import bound_secs
from tuner.templates import template_for

if TYPE_CHECKING:
    from benchmarks._cells import Cell

BATCHES = (1, 16, 256)
WIDTHS = (1, 13, 63, 64, 415, 1021)
#: Length of a turn, in seconds.
_TURN_S = 0.001


@dataclass(frozen=True, slots=True)
class Result:
    """One cell, in seconds per call."""

    cell: Cell
    default: float
    tuned: float
    torch: float
    #: What no kernel can beat.
    bound: float


class Contest:
    """One cell: its kernels beside PyTorch."""

    def __init__(self, cell: Cell, arch: CpuArch, trace: str | None) -> None:
        import torch

        torch.set_num_threads(1)
        use = cell.use()
        self._cell, self._facts, self._lanes = cell, use.facts, simd_of(arch).lanes
        template = template_for(use.facts)
        default = template.default(use.facts, simd_of(arch))
        built = [
            build_kernel(use.workload.tir, arch, config, text)
            for config, text in ((default, None), (None, trace))
            if config is not None or text is not None
        ]
        self._arguments = make_arguments(use.facts)
        self._inputs = [
            torch.from_numpy(np.from_dlpack(a)) for a in self._arguments[: use.facts.output]
        ]
        self._kernels = []
        for result in built:
            assert result.code is not None, result.failure
            kernel = load_kernel(result.code)
            self._check(kernel)
            self._kernels.append(self._timer(kernel))
        self._calls = max(1, int(_TURN_S / self._theirs(30)))
        self._calls = max(1, int(_TURN_S / self._theirs(self._calls)))
        self._turns: list[list[float]] = []

    def _check(self, kernel: tvm.runtime.Module) -> None:
        kernel["main"](*self._arguments)
        theirs = self._cell.theirs(self._inputs).numpy()
        error = np.abs(self._arguments[-1].numpy().reshape(theirs.shape) - theirs).max()
        assert error < 1e-3, f"{self._cell} differs from PyTorch by {error}"

    def _timer(self, kernel: tvm.runtime.Module) -> tvm.runtime.module.BenchmarkResult:
        once = kernel.time_evaluator("main", tvm.cpu(), number=3, repeat=3)(*self._arguments).min
        number = max(1, int(_TURN_S / max(once, 1e-8)))
        return kernel.time_evaluator("main", tvm.cpu(), number=number, repeat=1)

    def _theirs(self, number: int) -> float:
        start = time.perf_counter()
        for _ in range(number):
            self._cell.theirs(self._inputs)
        return (time.perf_counter() - start) / number

    def run(self, rounds: int) -> None:
        """Take turns."""
        for _ in range(rounds):
            ours = [float(timer(*self._arguments).results[0]) for timer in self._kernels]
            self._turns.append([*ours, self._theirs(self._calls)])

    def result(self, calibration: dict[str, float]) -> Result:
        """What came out."""
        default, *rest = (min(column) for column in zip(*self._turns, strict=True))
        bound = bound_secs(self._facts.flops, self._facts.bytes, calibration, self._lanes)
        assert bound is not None
        return Result(self._cell, default, rest[0] if len(rest) > 1 else default, rest[-1], bound)


def traces(store: Store, cells: list[Cell], arch: CpuArch) -> dict[Cell, str | None]:
    """The best record of each cell; None where there is none."""
    digests = {cell: cell.workload().digest for cell in cells}
    records = store.best_records(list(digests.values()), arch.name, toolchain().key)
    return {
        cell: records[digest].trace if digest in records else None
        for cell, digest in digests.items()
    }


def report(results: list[Result]) -> None:
    """Print the table, and what it comes to for each kind."""
    print(
        f"{'kind':16}{'batch':>6}{'width':>6}{'default µs':>12}{'tuned µs':>10}"
        f"{'% of roofline':>15}{'x PyTorch':>11}"
    )
    for r in results:
        print(
            f"{r.cell.kind:16}{r.cell.batch:>6}{r.cell.width:>6}{1e6 * r.default:>12.2f}"
            f"{1e6 * r.tuned:>10.2f}{100 * r.bound / r.tuned:>15.1f}{r.torch / r.tuned:>11.2f}"
        )
    mean = statistics.geometric_mean
    for kind, group in itertools.groupby(results, key=lambda r: r.cell.kind):
        some = list(group)
        print(
            f"{kind:16}{mean(r.torch / r.tuned for r in some):8.2f} times as fast as PyTorch, "
            f"lowest {min(r.torch / r.tuned for r in some):.2f}; default schedules "
            f"{mean(r.torch / r.default for r in some):.2f}"
        )
    behind = [r for r in results if r.torch <= r.tuned]
    print(f"{len(results)} cells, slower than PyTorch in {len(behind)}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks vectors", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="tuning time per cell")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each cell")
    parser.add_argument("--arch", default="host", help="host, avx2 or avx512")
    parser.add_argument("--strategy", default="autotvm", help="autotvm, ansor or auto")
    parser.add_argument("--kind", nargs="*", help="some kinds alone")
    parser.add_argument("--batch", type=int, nargs="*", default=BATCHES)
    parser.add_argument("--width", type=int, nargs="*", default=WIDTHS)
    parser.add_argument("--db", type=Path, help="SQLite file to use and to add to")
    parser.add_argument("--no-tune", action="store_true", help="compare what the file holds")
    args = parser.parse_args()
    arch = resolve(args.arch)
    if not runs_on(arch, host_arch()):
        parser.error(f"this CPU cannot run code for {arch.name}")
    from benchmarks._cells import KINDS, Cell

    unknown = set(args.kind or ()) - KINDS.keys()
    if unknown:
        parser.error(f"no kind {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    options = MeasureOptions()
    cells = [Cell(k, b, w) for k in args.kind or KINDS for b in args.batch for w in args.width]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{args.db or Path(folder) / 'vectors.db'}") as store,
    ):
        if not args.no_tune:
            tune(
                store, cells, arch,
                seconds=args.seconds, strategy=args.strategy, options=options,
            )  # fmt: skip
        found = traces(store, cells, arch)
    core, _ = split_cores(options.core)
    os.sched_setaffinity(0, {core})
    print(f"{arch.name}, one core, float32")
    contests = [Contest(cell, arch, trace) for cell, trace in found.items()]
    calibrations = []
    # Every cell meets quiet and busy moments of the machine alike.
    for _ in range(args.rounds):
        calibrations.append(calibrate())
        for contest in contests:
            contest.run(1)
    peak = {name: max(c[name] for c in calibrations) for name in calibrations[0]}
    report([contest.result(peak) for contest in contests])


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
