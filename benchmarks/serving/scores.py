"""Scores of the C++ host against Python's, bit by bit: every bucket, and random batches."""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.serving._bundles import two_versions
from runtime import Engine
from tests.host import build
from tuner.arch import host_arch
from tuner.measure.process import THREADS


def main() -> None:
    """Print how many are equal."""
    parser = argparse.ArgumentParser(prog="benchmarks serving.scores", description=__doc__)
    parser.add_argument("--batches", type=int, default=1000, help="random ones")
    parser.add_argument("--largest", type=int, default=300, help="rows of a batch, at most")
    parser.add_argument("--buckets", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    args = parser.parse_args()
    program = build() / "tunefleet-score"
    rng = np.random.default_rng(0)
    sizes = [*args.buckets, *(int(n) for n in rng.integers(1, args.largest + 1, args.batches))]
    equal = 0
    with TemporaryDirectory() as folder:
        model, bundle = two_versions(Engine(use_records=False), Path(folder), tuple(args.buckets))
        with subprocess.Popen(
            [program, bundle], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as host:
            assert host.stdin is not None
            assert host.stdout is not None
            for seed, batch in enumerate(sizes):
                inputs = model.random_inputs(batch, seed)
                host.stdin.write(struct.pack("q", batch) + b"".join(a.tobytes() for a in inputs))
                host.stdin.flush()
                expected = model(*inputs).tobytes()
                code = struct.unpack("q", host.stdout.read(8))[0]
                assert code == 0, f"batch {batch} was refused"
                equal += host.stdout.read(len(expected)) == expected
            maps = Path(f"/proc/{host.pid}/maps").read_text()
            host.stdin.close()
    files = {line.split()[-1] for line in maps.splitlines() if "/" in line}
    pythons = [file for file in files if "libpython" in file or ".cpython-" in file]
    print(f"{host_arch().name}, example DLRM, buckets {args.buckets}: {equal} of {len(sizes)} "
          f"batches equal bit by bit; files of Python in the process: {len(pythons)}")  # fmt: skip


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
