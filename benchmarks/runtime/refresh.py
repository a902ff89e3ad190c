"""Refreshes while threads score at full load: failed and mixed calls, tail latency, packing.

Steady turns and turns with refreshes alternate; every score is compared with those of the two
sets of weights that are swapped, so that a call that saw a mixture is found. Packing is the time
of `WeightSchema.pack` alone, its checks included, per 100 MB of weights; beside it stands that of
a plain copy of as many bytes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from examples.dlrm import export_dlrm
from runtime import Engine, Model
from tuner.arch import host_arch
from tuner.arena import Arena
from tuner.importers import read_weights
from tuner.measure.process import THREADS


class Load:
    """Threads that score one batch as often as they can."""

    def __init__(self, model: Model, inputs: list[np.ndarray], allowed: list[np.ndarray]) -> None:
        self._model, self._inputs, self._allowed = model, inputs, allowed
        self.failed = self.mixed = 0

    def run(self, threads: int, seconds: float, meanwhile: list[Path]) -> list[float]:
        """Seconds of each call; files are refreshed one after the other in the meantime."""
        times: list[list[float]] = [[] for _ in range(threads)]
        stop = threading.Event()
        workers = [threading.Thread(target=self._call, args=(t, stop)) for t in times]
        for worker in workers:
            worker.start()
        end = time.perf_counter() + seconds
        while meanwhile and time.perf_counter() < end:
            for path in meanwhile:
                self._model.refresh(path)
        time.sleep(max(0.0, end - time.perf_counter()))
        stop.set()
        for worker in workers:
            worker.join()
        return [t for some in times for t in some]

    def _call(self, times: list[float], stop: threading.Event) -> None:
        while not stop.is_set():
            start = time.perf_counter()
            try:
                scores = self._model(*self._inputs)
            except Exception:
                self.failed += 1
                continue
            times.append(time.perf_counter() - start)
            self.mixed += not any(np.array_equal(scores, known) for known in self._allowed)


def packing(model: Model, path: Path, rounds: int) -> tuple[float, float, float]:
    """Milliseconds per 100 MB: of packing, of one plain copy to fresh memory, of one to warm."""
    weights, _ = read_weights(path)
    size = sum(a.nbytes for a in weights.values())
    schema = model._served.version.schema
    source = np.ones(size, np.uint8)
    times: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        room = np.from_dlpack(Arena([(source.shape, "uint8")]).empty(source.shape, "uint8"))
        copy = partial(np.copyto, room, source)
        times.append((_seconds(partial(schema.pack, weights)), _seconds(copy), _seconds(copy)))
    pack, fresh, warm = (
        statistics.median(t) * 1e3 * 100e6 / size for t in zip(*times, strict=True)
    )
    return pack, fresh, warm


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks runtime.refresh", description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    engine = Engine(use_records=False)
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i}.pt2" for i in range(2)]
        for seed, path in enumerate(files):
            export_dlrm(path, seed=seed)
        model = engine.load(files[0], buckets=(args.batch,))
        inputs, allowed = model.random_inputs(args.batch), []
        for path in files:
            model.refresh(path)
            allowed.append(model(*inputs))
        pack_ms, fresh_ms, warm_ms = packing(model, files[0], 9)
        load = Load(model, inputs, allowed)
        steady: list[float] = []
        refreshed: list[float] = []
        for _ in range(args.rounds):
            steady += load.run(args.threads, args.seconds, [])
            refreshed += load.run(args.threads, args.seconds, files)
    print(f"{host_arch().name}, {len(os.sched_getaffinity(0))} CPUs, {args.threads} threads, batch "
          f"{args.batch}: {len(steady) + len(refreshed)} calls, {load.failed} failed, {load.mixed} "
          "mixed")  # fmt: skip
    for name, times in (("steady", steady), ("refreshing", refreshed)):
        cuts = [float(np.percentile(times, q)) * 1e6 for q in (50, 99, 99.9)]
        print(f"{name:11} p50 {cuts[0]:9.1f} µs   p99 {cuts[1]:9.1f} µs   p99.9 {cuts[2]:9.1f} µs")
    ratio = np.percentile(refreshed, 99) / np.percentile(steady, 99)
    print(f"p99 while refreshing {ratio:.2f}x the steady one")
    print(f"packing {pack_ms:.1f} ms per 100 MB; one thread copies them to fresh memory in "
          f"{fresh_ms:.1f} ms, to warm memory in {warm_ms:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
