"""The C++ host alone: a call beyond its kernels, threads, allocations, refreshes under load.

All of it is measured by one C++ program in turns: a call against its own kernels, two threads
against one beside a loop that needs nothing but the core, refreshes every so often against none.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.serving._bundles import two_versions
from runtime import Engine
from tests.debian import run
from tests.host import build
from tuner.arch import host_arch
from tuner.measure.process import THREADS


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks serving.host", description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=8, help="turns of threads and of refreshes")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each of those turns")
    parser.add_argument("--threads", type=int, default=2, help="that score during refreshes")
    parser.add_argument("--period-ms", type=int, default=100, help="between two refreshes")
    args = parser.parse_args()
    program = build() / "tunefleet-bench"
    with TemporaryDirectory() as folder:
        _, bundle = two_versions(Engine(use_records=False), Path(folder), tuple(args.batches))
        print(f"{host_arch().name}, {len(os.sched_getaffinity(0))} CPUs, example DLRM")
        for batch in args.batches:
            f = _figures(program, "overhead", bundle, batch, 25 * args.rounds)
            share = f["beyond_us"] / f["call_us"]
            print(f"batch {batch:4}: call {f['call_us']:.2f} µs, kernels {f['kernels_us']:.2f} µs, "
                  f"beyond {f['beyond_us']:.2f} µs ({share:.1%})")  # fmt: skip
        last = args.batches[-1]
        f = _figures(program, "allocations", bundle, last, 10_000)
        print(f"10000 calls after the first: {f['mallocs']:.0f} allocations, "
              f"{f['faults']:.0f} pages touched for the first time")  # fmt: skip
        f = _figures(program, "threads", bundle, last, args.rounds, args.seconds)
        print(f"batch {last}: {f['one_per_s']:.0f} calls/s by one thread, {f['two_per_s']:.0f} by "
              f"two: {f['ratio']:.2f}x; a loop in registers: {f['spin_ratio']:.2f}x")  # fmt: skip
        f = _figures(program, "refresh", bundle, last, args.threads, args.rounds, args.seconds,
                     args.period_ms)  # fmt: skip
    print(f"{args.threads} threads, {f['swaps']:.0f} versions {args.period_ms} ms apart, "
          f"{f['served']:.0f} of them seen: {f['calls']:.0f} calls, {f['failed']:.0f} failed, "
          f"{f['mixed']:.0f} mixed; resident {f['first_mb']:.0f} MB, then "
          f"{f['last_mb']:.0f} MB")  # fmt: skip
    for part in ("p50", "p99", "p999"):
        calm, busy = f[f"steady_{part}_us"], f[f"refreshed_{part}_us"]
        print(f"{part}: {calm:.1f} µs steady, {busy:.1f} µs refreshing, {busy / calm:.2f}x")


def _figures(program: Path, *arguments: object) -> dict[str, float]:
    text = run(program, *map(str, arguments))
    return {name: float(number) for name, number in map(str.split, text.splitlines())}


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
