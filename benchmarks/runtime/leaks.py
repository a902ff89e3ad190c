"""What a day of refreshes and a million scores leave behind: memory, threads, files.

Resident anonymous memory is read after a warm-up and at the end, arenas released both times; a
line through the readings in between tells a leak from noise. Every score is held against PyTorch's
for the weights that were refreshed last.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.runtime.threads import resident
from examples.dlrm import DLRMConfig, build_dlrm, export_dlrm
from runtime import Engine
from runtime.arenas import ARENAS
from tuner.measure.process import THREADS

#: Weights of a few MB: a leak of one set is seen, and a refresh takes milliseconds.
_SIZE = DLRMConfig(rows=500)


def expected(seed: int, inputs: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Scores of PyTorch for each of some batches."""
    module = build_dlrm(_SIZE, seed)
    with torch.no_grad():
        return [module(*(torch.from_numpy(x) for x in some)).numpy() for some in inputs]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks runtime.leaks", description=__doc__)
    parser.add_argument("--refreshes", type=int, default=1000)
    parser.add_argument("--scores", type=int, default=1_000_000, help="examples scored")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 3, 16, 64])
    args = parser.parse_args()
    engine = Engine(use_records=False)
    readings: list[tuple[float, float]] = []
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{i}.pt2" for i in range(2)]
        for seed, path in enumerate(files):
            export_dlrm(path, seed=seed, config=_SIZE)
        model = engine.load(files[0], buckets=(1, 16, 64))
        inputs = [model.random_inputs(batch) for batch in args.batches]
        known = [expected(seed, inputs) for seed in range(len(files))]
        worst = 0.0
        calls = -(-args.scores // (sum(args.batches) * args.refreshes))
        scored, begin = 0, 0.0
        for i in range(-50, args.refreshes):
            if i == 0:
                begin, scored = time.perf_counter(), 0
                first = _state()
            model.refresh(files[i % 2])
            for _ in range(calls):
                for some, right in zip(inputs, known[i % 2], strict=True):
                    worst = max(worst, float(np.abs(model(*some) - right).max()))
                    scored += len(right)
            if i >= 0 and i % 50 == 0:
                ARENAS.release()
                readings.append((i, resident()))
        took, last = time.perf_counter() - begin, _state()
    line = np.array(readings)
    slope = float(np.polyfit(line[:, 0], line[:, 1], 1)[0]) if len(line) > 2 else 0.0
    print(f"{args.refreshes} refreshes of {model.weight_bytes / 1e6:.1f} MB and {scored} scores in "
          f"{took:.0f} s, none further than {worst:.1e} from PyTorch's")  # fmt: skip
    for name, before, after in zip(("MB resident", "threads", "open files"), first, last,
                                   strict=True):  # fmt: skip
        print(f"{name:12}{before:10.1f} ->{after:10.1f}  ({100 * (after / before - 1):+.2f} %)")
    print(f"growth along the way: {slope * 1024:+.2f} kB per refresh")


def _state() -> tuple[float, int, int]:
    ARENAS.release()
    return resident(), threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
