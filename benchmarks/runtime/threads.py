"""Throughput of two threads over that of one, and the memory that a burst of threads leaves.

Throughputs are measured in turns, each the calls of a fixed time, one thread on either core by
turns; ratios are those of the medians, and of the fastest turns, where a shared machine is its own.
Beside the threads, in the same turns, stands what this machine can do: two processes that share
nothing make the same calls; two threads multiply and add on registers alone, and sum up a buffer
that fits a cache. Cores that are two threads of one, or are shared with other machines, fall short
of two there, too.

Memory is resident anonymous memory of this process: with the models loaded, after a burst of
threads that call every bucket of every model, and after their arenas were released.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import threading
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.runtime._turns import Processes, scoring, throughput
from examples.dlrm import DLRMConfig, export_dlrm
from runtime import Engine, Model
from runtime.arenas import ARENAS
from tuner.arch import host_arch, simd_of
from tuner.measure.calibration import fma_kernel
from tuner.measure.process import THREADS

#: Of the models that a burst calls.
_BUCKETS = (1, 4, 16, 64, 256)
#: Calls per second on some cores in some seconds.
Way = Callable[[Sequence[int], float], float]


def multiplying() -> Callable[[], object]:
    """A call that multiplies and adds on registers alone, as long as a call of a model takes."""
    kernel, data, _ = fma_kernel(simd_of(host_arch()).lanes)
    function = kernel["main"]
    return lambda: function(*data)


def summing() -> Callable[[], object]:
    """A call that computes a checksum in C."""
    room = bytes(256 << 10)
    return lambda: zlib.crc32(room)


def take_turns(
    ways: dict[str, Way], cores: Sequence[int], rounds: int, seconds: float
) -> dict[tuple[str, int], list[float]]:
    """Throughputs by way and number of cores."""
    rates: dict[tuple[str, int], list[float]] = {(way, n): [] for way in ways for n in (1, 2)}
    for _ in range(rounds):
        for way, measure in ways.items():
            for taken in (cores[:1], cores, cores[1:], cores):
                rates[way, len(taken)].append(measure(taken, seconds))
    return rates


def burst(models: list[Model], threads: int) -> tuple[int, ...]:
    """Call every bucket of every model from `threads` threads; returns the arenas they hold."""
    done, leave = threading.Barrier(threads + 1), threading.Event()

    def call() -> None:
        for model in models:
            for batch in model.buckets:
                model(*model.random_inputs(batch))
        done.wait()
        leave.wait()

    workers = [threading.Thread(target=call) for _ in range(threads)]
    for worker in workers:
        worker.start()
    done.wait()
    held = ARENAS.held()
    leave.set()
    for worker in workers:
        worker.join()
    return held


def resident() -> float:
    """Resident anonymous memory of this process, in MB."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(prog="benchmarks runtime.threads", description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn")
    parser.add_argument("--models", type=int, default=10, help="loaded for the burst")
    parser.add_argument("--threads", type=int, default=8, help="of the burst")
    args = parser.parse_args()
    engine = Engine(use_records=False)
    cores = sorted(os.sched_getaffinity(0))[-2:]
    if len(cores) < 2:
        raise SystemExit("error: two threads need two cores; this process may use one")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "dlrm.pt2"
        export_dlrm(path, config=DLRMConfig(rows=1000))
        models = [engine.load(path, buckets=_BUCKETS) for _ in range(args.models)]
        export_dlrm(path)
        model = engine.load(path, buckets=(args.batch,))
        with Processes(path, args.batch, cores) as processes:
            ways: dict[str, Way] = {
                "calls, threads": partial(throughput, scoring(model, args.batch)),
                "calls, processes": processes.throughput,
                "multiply-adds": partial(throughput, multiplying),
                "checksums": partial(throughput, summing),
            }
            rates = take_turns(ways, cores, args.rounds, args.seconds)
    print(
        f"{host_arch().name}, {len(os.sched_getaffinity(0))} CPUs; batch {args.batch}; per second"
    )
    print(f"{'':18}{'medians of turns':>28}{'fastest turns':>28}")
    for kind in ways:
        shown = [(of(rates[kind, 1]), of(rates[kind, 2])) for of in (statistics.median, max)]
        print(
            f"{kind:18}" + "".join(f"{one:10.0f}{two:10.0f}{two / one:7.2f}x" for one, two in shown)
        )
    burst(models, 1)
    ARENAS.release()
    before = resident()
    held = burst(models, args.threads)
    during = resident()
    ARENAS.release()
    after = resident()
    weights = sum(model.weight_bytes for model in models) / 1e6
    print(f"{args.models} models of {len(_BUCKETS)} buckets: {weights:.1f} MB of weights, "
          f"{before:.1f} MB resident in all")  # fmt: skip
    print(f"{args.threads} threads that called all of them hold {len(held)} arenas of "
          f"{min(held) / 1e6:.1f} to {max(held) / 1e6:.1f} MB")  # fmt: skip
    print(f"after them {during:.1f} MB, with arenas released {after:.1f} MB "
          f"({100 * (after / before - 1):+.2f} %)")  # fmt: skip


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
