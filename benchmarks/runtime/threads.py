"""Throughput of two threads over that of one, and the memory that a burst of threads leaves.

Throughputs are measured in turns, each the calls of a fixed time; the ratio is that of medians.
Beside it, in the same turns, stands what two threads of this machine can do: a chain of fused
multiply-adds on registers alone, and the checksum of a buffer that fits a cache. Cores that are
two threads of one, or are shared with other machines, fall short of two there, too.

Memory is resident anonymous memory of this process: with the models loaded, after a burst of
threads that call every bucket of every model, and after their arenas were released.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.dlrm import DLRMConfig, export_dlrm
from runtime import Engine, Model
from runtime.arenas import ARENAS
from tuner.arch import host_arch, simd_of
from tuner.measure.calibration import fma_kernel
from tuner.measure.process import THREADS

#: Of the models that a burst calls.
_BUCKETS = (1, 4, 16, 64, 256)
#: Makes the call that one thread repeats.
Work = Callable[[], Callable[[], object]]


def throughput(work: Work, threads: int, seconds: float) -> float:
    """Calls per second of `threads` threads, each on a core of its own."""
    counts = [0] * threads
    start, stop = threading.Barrier(threads + 1), threading.Event()
    cores = sorted(os.sched_getaffinity(0))

    def repeat(at: int) -> None:
        os.sched_setaffinity(0, {cores[-1 - at % len(cores)]})
        call = work()
        call()
        start.wait()
        while not stop.is_set():
            call()
            counts[at] += 1

    workers = [threading.Thread(target=repeat, args=(at,)) for at in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    begin = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    took = time.perf_counter() - begin
    for worker in workers:
        worker.join()
    return sum(counts) / took


def scoring(model: Model, batch: int) -> Work:
    """Calls of a model."""
    inputs = model.random_inputs(batch)
    return lambda: lambda: model(*inputs)


def multiplying() -> Callable[[], object]:
    """A call that multiplies and adds on registers alone, as long as a call of a model takes."""
    kernel, data, _ = fma_kernel(simd_of(host_arch()).lanes)
    function = kernel["main"]
    return lambda: function(*data)


def summing() -> Callable[[], object]:
    """A call that computes a checksum in C."""
    room = bytes(256 << 10)
    return lambda: zlib.crc32(room)


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
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn")
    parser.add_argument("--models", type=int, default=10, help="loaded for the burst")
    parser.add_argument("--threads", type=int, default=8, help="of the burst")
    args = parser.parse_args()
    engine = Engine(use_records=False)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "dlrm.pt2"
        export_dlrm(path)
        model = engine.load(path, buckets=(args.batch,))
        export_dlrm(path, config=DLRMConfig(rows=1000))
        models = [engine.load(path, buckets=_BUCKETS) for _ in range(args.models)]
    kinds: dict[str, Work] = {
        f"calls, batch {args.batch}": scoring(model, args.batch),
        "multiply-adds": multiplying,
        "checksums": summing,
    }
    rates: dict[tuple[str, int], list[float]] = {(k, n): [] for k in kinds for n in (1, 2)}
    for _ in range(args.rounds):
        for (kind, threads), seen in rates.items():
            seen.append(throughput(kinds[kind], threads, args.seconds))
    print(f"{host_arch().name}, {len(os.sched_getaffinity(0))} CPUs; per second, medians")
    for kind in kinds:
        one, two = (statistics.median(rates[kind, n]) for n in (1, 2))
        print(f"{kind:20}{one:10.0f} by one thread{two:10.0f} by two: {two / one:.2f}x")
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
