"""Dense layers of the example model: % of the FMA peak and the ratio to PyTorch, on one core.

Every layer with K, N >= 128 is tuned by the autotvm strategy for some seconds; then the tuned
kernel, the FMA peak and PyTorch's ``relu(linear(x))`` run in turns on the same core, a millisecond
each. Other tenants of a shared machine slow a kernel that lives in the L2 and L3 caches more than
a loop that lives in registers, so two figures are printed: the fastest turn of the kernel against
the fastest of the peak, and the medians of both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np
import tvm
from tvm import te

from tuner.arch import host_arch
from tuner.arena import Arena
from tuner.measure import LocalBuilder, LocalMeasurer, MeasureOptions
from tuner.measure.calibration import fma_gflops
from tuner.measure.compile import load_kernel
from tuner.measure.local import split_cores
from tuner.measure.process import THREADS
from tuner.ops import dense, pack_dense, packed_shape
from tuner.strategy import AutoTvmStrategy, Outcome
from tuner.workloads.digest import function_digest, normalise
from tuner.workloads.facts import facts_of

#: (K, N) of the example's layers with both at least 128.
LAYERS = ((512, 256), (415, 512))
BATCHES = (16, 64, 256)


def workload(batch: int, k: int, n: int) -> tvm.tirx.PrimFunc:
    """``relu(x @ w^T + b)`` as the importer makes it."""
    x = te.placeholder((batch, k), name="x")
    w = te.placeholder(packed_shape(n, k), name="w")
    b = te.placeholder((n,), name="b")
    y = dense(x, w, n)
    biased = te.compute((batch, n), lambda i, j: b[j] + y[i, j], name="T_add")
    zero = tvm.tirx.const(0.0, "float32")
    out = te.compute((batch, n), lambda i, j: tvm.tirx.max(biased[i, j], zero), name="compute")
    return normalise(te.create_prim_func([x, w, b, out]).with_attr("tirx.noalias", True))


def tune(func: tvm.tirx.PrimFunc, seconds: float, options: MeasureOptions) -> tuple[str, int]:
    """Code of the fastest candidate found within `seconds`, confirmed in turns; and the trials."""
    facts, digest, tir = facts_of(func), function_digest(func), tvm.ir.save_json(func)
    strategy = AutoTvmStrategy(digest, facts, host_arch())
    builder, measurer = LocalBuilder(options), LocalMeasurer(options)
    found: list[tuple[float, str]] = []
    trials = 0
    try:
        # Starting the children takes seconds; the budget is for searching.
        measurer.calibrate()
        builder.build(tir, host_arch(), config=None, trace=None)
        end = time.monotonic() + seconds
        while time.monotonic() < end and strategy.remaining:
            (candidate,) = strategy.ask(1)
            built = builder.build(tir, host_arch(), config=candidate.config, trace=None)
            trials += 1
            if built.code is None:
                strategy.tell([Outcome(candidate, None)])
                continue
            best = min((secs for secs, _ in found), default=None)
            ran = measurer.run(digest, tir, built.code, best=best)
            strategy.tell([Outcome(candidate, ran.median if ran.run_secs else None)])
            if ran.run_secs:
                found.append((ran.median, built.code))
        finalists = [code for _, code in sorted(found)[:3]]
        runs = measurer.compare(digest, tir, finalists)
    finally:
        builder.close()
        measurer.close()
    return min(zip(runs, finalists, strict=True), key=lambda pair: pair[0].median)[1], trials


def compare(
    code: str, batch: int, k: int, n: int, rounds: int
) -> tuple[float, float, float, float]:
    """Best GFLOP/s, its part of the best peak, the same of medians, PyTorch's time over ours."""
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((batch, k), (n, k), (n,)))
    data = [x, pack_dense(w, transposed=False), b, np.zeros((batch, n), np.float32)]
    arena = Arena((a.shape, "float32") for a in data)
    arguments = [arena.empty(a.shape, "float32") for a in data]
    for tensor, array in zip(arguments, data, strict=True):
        np.copyto(np.from_dlpack(tensor), array)
    tx, tw, tb = (torch.tensor(a) for a in (x, w, b))
    flops = 2.0 * batch * k * n
    number = max(1, int(0.001 / (flops / 150e9)))
    kernel = load_kernel(code).time_evaluator("main", tvm.cpu(), number=number, repeat=1)
    peaks, rates, ratios = [], [], []
    for _ in range(rounds):
        peaks.append(fma_gflops(0.001))
        ours = float(kernel(*arguments).results[0])
        start = time.perf_counter()
        for _ in range(number):
            expected = torch.relu(torch.nn.functional.linear(tx, tw, tb))
        theirs = (time.perf_counter() - start) / number
        rates.append(flops / ours / 1e9)
        ratios.append(theirs / ours)
    error = np.abs(arguments[-1].numpy() - expected.numpy()).max()
    assert error < 1e-3, f"differs from PyTorch by {error}"
    return (
        max(rates),
        max(rates) / max(peaks),
        statistics.median(rates) / statistics.median(peaks),
        statistics.median(ratios),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks dense", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="tuning time of each layer")
    parser.add_argument("--rounds", type=int, default=300, help="turns of the comparison")
    args = parser.parse_args()
    options = MeasureOptions(min_repeat_s=0.01, repeats=5)
    print(f"{host_arch().name}, one core")
    print(
        f"{'batch':>6}{'K':>6}{'N':>6}{'trials':>8}{'GFLOP/s':>10}{'% of peak':>11}"
        f"{'(medians)':>11}{'x PyTorch':>11}"
    )
    shares = []
    for k, n in LAYERS:
        for batch in BATCHES:
            code, trials = tune(workload(batch, k, n), args.seconds, options)
            core, others = split_cores(options.core)
            os.sched_setaffinity(0, {core})
            rate, part, middle, ratio = compare(code, batch, k, n, args.rounds)
            os.sched_setaffinity(0, others | {core})
            shares.append(part)
            print(
                f"{batch:>6}{k:>6}{n:>6}{trials:>8}{rate:>10.1f}{100 * part:>11.1f}"
                f"{100 * middle:>11.1f}{ratio:>11.2f}"
            )
            sys.stdout.flush()
    print(f"lowest part of the peak: {100 * min(shares):.1f} %, geometric mean "
          f"{100 * statistics.geometric_mean(shares):.1f} %")  # fmt: skip


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
