"""Dense layers against the roofline and PyTorch, on one core.

Every layer is tuned for some seconds into a database (given again, it is used and added to). Then
the best record of each, the FMA peak, reading of the layer's bytes, and PyTorch's
``relu(linear(x))`` run in turns on the same core, a millisecond each, of which the fastest fifth
counts, for all four alike. The roofline of a layer is the larger of its operations at the peak and
its bytes at the rate read. Other tenants of a shared machine slow what lives in caches more than a
loop that lives in registers, so two figures are printed: the fastest turn against the fastest of
the roofline, and the medians of both.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm

from benchmarks._layers import Layer, tune
from db import CpuArch, Store, open_store
from tuner.arch import host_arch, resolve, runs_on, simd_of, toolchain
from tuner.arena import Arena
from tuner.measure import MeasureOptions
from tuner.measure.calibration import fma_gflops, read_gbs
from tuner.measure.compile import build_kernel, load_kernel
from tuner.measure.local import split_cores
from tuner.measure.process import THREADS
from tuner.measure.roofline import AVX2_LANES
from tuner.ops import pack_dense

SIZES = (13, 64, 128, 256, 415, 512, 1024)
BATCHES = (1, 4, 16, 64, 256)
#: Layers that the first figure is about.
LEAST_BATCH, LEAST_SIZE = 4, 128
#: Keeps oneDNN, MKL and ATen to avx2.
_AVX2_PEERS = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
}
#: Length of a turn, in seconds, its parts, and turns of a layer in a row.
_TURN_S, _PARTS, _TURNS = 0.001, 5, 5


@dataclass(frozen=True, slots=True)
class Result:
    """One cell."""

    layer: Layer
    #: Of the fastest turn.
    gflops: float
    #: ``compute`` or ``read``: which roof is lower.
    binds: str
    #: Part of the roofline by the fastest turns, and by the medians.
    roofline: float
    roofline_median: float
    #: PyTorch's time over ours, by the medians and by the fastest turns.
    torch_ratio: float
    torch_ratio_best: float


class Contest:
    """One layer beside its roofs and PyTorch; its rounds may be spread over a longer time."""

    def __init__(self, layer: Layer, code: str, lanes: int) -> None:
        import torch

        torch.set_num_threads(1)
        rng = np.random.default_rng(0)
        shapes = ((layer.batch, layer.k), (layer.n, layer.k), (layer.n,))
        x, w, b = (rng.standard_normal(s).astype(np.float32) for s in shapes)
        out = np.zeros((layer.batch, layer.n), np.float32)
        data = [x, pack_dense(w, transposed=False), b, out]
        arena = Arena((a.shape, "float32") for a in data)
        self._arguments = [arena.empty(a.shape, "float32") for a in data]
        for tensor, array in zip(self._arguments, data, strict=True):
            np.copyto(np.from_dlpack(tensor), array)
        tx, tw, tb = (torch.tensor(a) for a in (x, w, b))

        def theirs() -> torch.Tensor:
            return torch.relu(torch.nn.functional.linear(tx, tw, tb))

        self._torch = theirs
        self._layer, self._lanes = layer, lanes
        kernel = load_kernel(code)
        once = kernel.time_evaluator("main", tvm.cpu(), number=3, repeat=3)(*self._arguments).min
        number = max(1, int(_TURN_S / _PARTS / once))
        self._kernel = kernel.time_evaluator("main", tvm.cpu(), number=number, repeat=_PARTS)
        _timed(self._torch, 30)
        self._calls = max(1, int(_TURN_S / _PARTS / _timed(self._torch, 30)))
        #: Seconds by the peak, by reading, of the kernel, of PyTorch; a row per round.
        self._turns: list[tuple[float, float, float, float]] = []
        error = np.abs(self._arguments[-1].numpy() - self._torch().numpy()).max()
        assert error < 1e-3, f"{layer} differs from PyTorch by {error}"

    def run(self, rounds: int) -> None:
        """Take turns."""
        flops, nbytes = self._layer.flops, self._layer.nbytes
        for _ in range(rounds):
            compute = flops / fma_gflops(_TURN_S, self._lanes) / 1e9
            read = nbytes / read_gbs(_rounded(nbytes), _TURN_S) / 1e9
            ours = float(min(self._kernel(*self._arguments).results))
            theirs = min(_timed(self._torch, self._calls) for _ in range(_PARTS))
            self._turns.append((compute, read, ours, theirs))

    def result(self) -> Result:
        """What came out."""
        columns = list(zip(*self._turns, strict=True))
        best = [min(column) for column in columns]
        middle = [statistics.median(column) for column in columns]
        return Result(
            self._layer,
            gflops=self._layer.flops / best[2] / 1e9,
            binds="compute" if best[0] > best[1] else "read",
            roofline=max(best[:2]) / best[2],
            roofline_median=max(middle[:2]) / middle[2],
            torch_ratio=middle[3] / middle[2],
            torch_ratio_best=best[3] / best[2],
        )


def _timed(call: Callable[[], object], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number


def _rounded(nbytes: float) -> int:
    """A power of two or the middle between two, so that few kernels and buffers are made."""
    power = 1 << max(12, int(nbytes).bit_length() - 1)
    return power if nbytes < 1.25 * power else power * 3 // 2


def codes(store: Store, layers: list[Layer], arch: CpuArch) -> dict[Layer, str]:
    """Compile the best record of each layer."""
    workloads = {layer: layer.workload() for layer in layers}
    digests = [w.digest for w in workloads.values()]
    records = store.best_records(digests, arch.name, toolchain().key)
    found = {}
    for layer, workload in workloads.items():
        record = records.get(workload.digest)
        if record is None:
            print(f"{layer} has no record: give it more --seconds", file=sys.stderr)
            continue
        built = build_kernel(workload.tir, arch, None, record.trace)
        assert built.code is not None, built.failure
        found[layer] = built.code
    return found


def report(results: list[Result]) -> None:
    """Print what the table comes to."""
    inner = [
        r
        for r in results
        if r.layer.batch >= LEAST_BATCH and min(r.layer.k, r.layer.n) >= LEAST_SIZE
    ]
    mean = statistics.geometric_mean
    if inner:
        print(
            f"batch >= {LEAST_BATCH}, K and N >= {LEAST_SIZE} ({len(inner)} layers): geometric "
            f"mean {100 * mean(r.roofline for r in inner):.1f} % of the roofline by the fastest "
            f"turns, {100 * mean(r.roofline_median for r in inner):.1f} % by the medians; lowest "
            f"{100 * min(r.roofline for r in inner):.1f} %"
        )
    behind = [r for r in results if r.torch_ratio <= 1.0]
    print(
        f"{len(results)} layers: geometric mean {mean(r.torch_ratio for r in results):.2f} times "
        f"as fast as PyTorch, lowest {min(r.torch_ratio for r in results):.2f}; slower than "
        f"PyTorch in {len(behind)}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks dense", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="tuning time per layer")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of five turns each")
    parser.add_argument("--arch", default="host", help="host, avx2 or avx512")
    parser.add_argument("--strategy", default="autotvm", help="autotvm, ansor or auto")
    parser.add_argument("--batch", type=int, nargs="*", default=BATCHES)
    parser.add_argument("--k", type=int, nargs="*", default=SIZES)
    parser.add_argument("--n", type=int, nargs="*", default=SIZES)
    parser.add_argument("--db", type=Path, help="SQLite file to use and to add to")
    parser.add_argument("--no-tune", action="store_true", help="compare what the file holds")
    args = parser.parse_args()
    arch = resolve(args.arch)
    if not runs_on(arch, host_arch()):
        parser.error(f"this CPU cannot run code for {arch.name}")
    options = MeasureOptions()
    layers = [Layer(*cell) for cell in itertools.product(args.batch, args.k, args.n)]
    with tempfile.TemporaryDirectory() as folder:
        if simd_of(arch).lanes == AVX2_LANES:
            # PyTorch reads these when it is imported: registers of the same width on both sides.
            os.environ.update(_AVX2_PEERS)
        with open_store(f"sqlite:///{args.db or Path(folder) / 'dense.db'}") as store:
            if not args.no_tune:
                tune(
                    store, layers, arch,
                    seconds=args.seconds, strategy=args.strategy, options=options,
                )  # fmt: skip
            built = codes(store, layers, arch)
        core, _ = split_cores(options.core)
        os.sched_setaffinity(0, {core})
        print(f"{arch.name}, one core, float32")
        print(
            f"{'batch':>6}{'K':>6}{'N':>6}{'GFLOP/s':>10}{'binds':>9}{'% of roofline':>15}"
            f"{'(medians)':>11}{'x PyTorch':>11}{'(fastest)':>11}"
        )
        contests = [Contest(layer, code, simd_of(arch).lanes) for layer, code in built.items()]
        # Every layer meets quiet and busy moments of the machine alike.
        for _ in range(args.rounds):
            for contest in contests:
                contest.run(_TURNS)
        results = [contest.result() for contest in contests]
        for r in results:
            print(
                f"{r.layer.batch:>6}{r.layer.k:>6}{r.layer.n:>6}{r.gflops:>10.1f}{r.binds:>9}"
                f"{100 * r.roofline:>15.1f}{100 * r.roofline_median:>11.1f}"
                f"{r.torch_ratio:>11.2f}{r.torch_ratio_best:>11.2f}"
            )
        report(results)


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
