"""Templates, sketches and TVM's own tuner on the same kernels, after the same time.

Each kernel is searched by the strategies `autotvm` and `ansor` and, with ``--upstream``, by TVM's
`tune_tir` with its own builder, runner and cost model. What each found then runs in turns on one
core, beside the default schedule. Weights of the dense layer are packed for all three: it is the
same function.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import tvm
from tvm import te, topi

from benchmarks import _tune_tir
from benchmarks._layers import Layer
from tuner.arch import host_arch
from tuner.measure import (
    Builder,
    BuildResult,
    LocalBuilder,
    LocalMeasurer,
    MeasureOptions,
    Measurer,
)
from tuner.measure.process import THREADS
from tuner.ops import batched_matmul
from tuner.strategy import AnsorStrategy, Candidate, Outcome, make_strategy
from tuner.workloads.digest import function_digest, normalise
from tuner.workloads.facts import facts_of

#: Candidates built ahead of the one that is measured, as in a job.
_AHEAD = 3
#: The fastest of a search that run again in turns: a single measurement may have been lucky.
_FINALISTS = 3


def functions() -> dict[str, tvm.tirx.PrimFunc]:
    """The kernels by name."""
    x, y = te.placeholder((16, 27, 64), name="x"), te.placeholder((16, 27, 64), name="y")
    rows = te.placeholder((64, 512), name="x")
    scale, shift = te.placeholder((512,), name="scale"), te.placeholder((512,), name="shift")
    wide = te.placeholder((256, 1024), name="x")
    made = {
        "batched matmul 16x27x27x64": [x, y, batched_matmul(x, y, transpose_y=True)],
        "softmax 64x512": [rows, topi.nn.softmax(rows)],
        "layer norm 64x512": [
            rows, scale, shift, topi.nn.layer_norm(rows, scale, shift, [1], 1e-5)
        ],
        "sum 256x1024": [wide, topi.sum(wide, axis=1)],
    }  # fmt: skip
    dense = {"dense 16x512x256": Layer(16, 512, 256).function()}
    return dense | {
        name: normalise(te.create_prim_func(tensors).with_attr("tirx.noalias", True))
        for name, tensors in made.items()
    }


@dataclass(slots=True)
class Found:
    """What a search came to."""

    trials: int = 0
    secs: float = 0.0
    #: Seconds per call and code of what ran.
    ran: list[tuple[float, str]] = field(default_factory=list)
    #: Candidates turned down before LLVM saw them.
    rejected: Mapping[str, int] = field(default_factory=dict)

    @property
    def finalists(self) -> list[str]:
        """Code of the fastest."""
        return [code for _, code in sorted(self.ran)[:_FINALISTS]]


def search(name: str, tir: str, builder: Builder, measurer: Measurer, seconds: float) -> Found:
    """Search one kernel from nothing."""
    func = tvm.ir.load_json(tir)
    digest, arch = function_digest(func), host_arch()
    strategy = make_strategy(name, digest, facts_of(func), arch, seed=0, known={}, tir=tir)
    found, start = Found(), time.monotonic()
    planned: deque[tuple[Candidate, Future[BuildResult]]] = deque()
    with ThreadPoolExecutor(1) as pool:
        while True:
            while len(planned) <= _AHEAD and time.monotonic() - start < seconds:
                asked = strategy.ask(1)
                planned += [
                    (c, pool.submit(builder.build, tir, arch, config=c.config, trace=c.trace))
                    for c in asked
                ]
                if not asked:
                    break
            if not planned:
                break
            candidate, build = planned.popleft()
            built = build.result()
            secs = None
            if built.code is not None:
                best = min((secs for secs, _ in found.ran), default=None)
                result = measurer.run(digest, tir, built.code, best=best)
                if result.run_secs:
                    secs = result.median
                    found.ran.append((secs, built.code))
            strategy.tell([Outcome(candidate, secs)])
            found.trials += 1
    found.secs = time.monotonic() - start
    if isinstance(strategy, AnsorStrategy):
        found.rejected = strategy.rejected
    return found


def fastest(groups: Mapping[str, list[str]], tir: str, measurer: Measurer) -> dict[str, float]:
    """Microseconds of the best code of each group, all of them run in turns."""
    digest = function_digest(tvm.ir.load_json(tir))
    codes = [code for group in groups.values() for code in group]
    results = iter(measurer.compare(digest, tir, codes))
    return {
        name: min((1e6 * next(results).median for _ in group), default=float("nan"))
        for name, group in groups.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks sketches", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="time of each search")
    parser.add_argument("--only", default="", help="kernels whose name holds this word")
    parser.add_argument("--upstream", action="store_true", help="run tune_tir as well")
    args = parser.parse_args()
    kernels = {name: f for name, f in functions().items() if args.only in name}
    upstream = _tune_tir.tune(list(kernels.values()), args.seconds) if args.upstream else []
    options = MeasureOptions()
    builder, measurer = LocalBuilder(options), LocalMeasurer(options)
    print(f"{host_arch().name}, one core, {args.seconds:.0f} s for each search\n")
    print(f"{'':27}|{'µs per call, in turns':^38} |{'trials per second':^29} |")
    print(
        f"{'kernel':27}|{'default':>8}{'template':>10}{'sketch':>9}{'upstream':>10}  |"
        f"{'template':>9}{'sketch':>9}{'upstream':>10}  | turned down"
    )
    try:
        for i, (name, func) in enumerate(kernels.items()):
            tir = tvm.ir.save_json(func)
            found = {
                strategy: search(strategy, tir, builder, measurer, args.seconds)
                for strategy in ("autotvm", "ansor")
            }
            report(name, tir, found, upstream[i] if upstream else None, builder, measurer)
    finally:
        builder.close()
        measurer.close()


def report(
    name: str,
    tir: str,
    found: Mapping[str, Found],
    upstream: _tune_tir.Tuned | None,
    builder: Builder,
    measurer: Measurer,
) -> None:
    """Run what was found in turns, and print a line."""
    func = tvm.ir.load_json(tir)
    default = make_strategy(
        "autotvm", function_digest(func), facts_of(func), host_arch(), seed=0, known={}, tir=tir
    ).ask(1)[0]
    built = builder.build(tir, host_arch(), config=default.config, trace=None)
    groups = {"default": [built.code or ""]}
    groups |= {strategy: result.finalists for strategy, result in found.items()}
    if upstream is not None and upstream.trace is not None:
        theirs = builder.build(tir, host_arch(), config=None, trace=upstream.trace)
        groups["upstream"] = [theirs.code] if theirs.code else []
    us = fastest(groups, tir, measurer)
    rates = [result.trials / result.secs for result in found.values()]
    rates.append(upstream.trials / upstream.secs if upstream else float("nan"))
    times = [us.get(g, float("nan")) for g in ("default", "autotvm", "ansor", "upstream")]
    print(
        f"{name:27}|{times[0]:8.1f}{times[1]:10.1f}{times[2]:9.1f}{times[3]:10.1f}  |"
        f"{rates[0]:9.1f}{rates[1]:9.1f}{rates[2]:10.1f}  | "
        f"{', '.join(f'{n} {why}' for why, n in found['ansor'].rejected.items()) or 'none'}"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
