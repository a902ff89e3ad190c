"""Throughput of two threads over that of one, and the memory that a burst of threads leaves.

Throughputs are measured in turns, each the calls of a fixed time; the ratio is that of medians.
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
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.dlrm import DLRMConfig, export_dlrm
from runtime import Engine, Model
from runtime.arenas import ARENAS
from tuner.arch import host_arch
from tuner.measure.process import THREADS

#: Of the models that a burst calls.
_BUCKETS = (1, 4, 16, 64, 256)


def throughput(model: Model, batch: int, threads: int, seconds: float) -> float:
    """Calls per second of `threads` threads, each on a core of its own."""
    inputs = model.random_inputs(batch)
    counts = [0] * threads
    start, stop = threading.Barrier(threads + 1), threading.Event()
    cores = sorted(os.sched_getaffinity(0))

    def call(at: int) -> None:
        os.sched_setaffinity(0, {cores[-1 - at % len(cores)]})
        model(*inputs)
        start.wait()
        while not stop.is_set():
            model(*inputs)
            counts[at] += 1

    workers = [threading.Thread(target=call, args=(at,)) for at in range(threads)]
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


def burst(models: list[Model], threads: int) -> None:
    """Call every bucket of every model from `threads` threads."""

    def call() -> None:
        for model in models:
            for batch in model.buckets:
                model(*model.random_inputs(batch))

    workers = [threading.Thread(target=call) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


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
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(args.rounds):
        for threads, seen in rates.items():
            seen.append(throughput(model, args.batch, threads, args.seconds))
    one, two = (statistics.median(seen) for seen in rates.values())
    print(f"{host_arch().name}, batch {args.batch}: {one:.0f} calls/s by one thread, {two:.0f} by "
          f"two: {two / one:.2f}x")  # fmt: skip
    burst(models, 1)
    ARENAS.release()
    before = resident()
    burst(models, args.threads)
    during, arenas = resident(), ARENAS.held_bytes / 1e6
    ARENAS.release()
    after = resident()
    weights = sum(model.weight_bytes for model in models) / 1e6
    print(f"{args.models} models of {len(_BUCKETS)} buckets, {weights:.1f} MB of weights in all; "
          f"arenas that threads which ended left: {arenas:.1f} MB")  # fmt: skip
    print(f"{args.threads} threads: {before:.1f} MB before a burst, "
          f"{during:.1f} MB after it, {after:.1f} MB with arenas released "
          f"({100 * (after / before - 1):+.2f} %)")  # fmt: skip


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
