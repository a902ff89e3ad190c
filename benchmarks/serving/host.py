"""The C++ host alone: a call beyond its kernels, allocations, threads, refreshes under load.

All of it is measured by one C++ program in turns: a call against its own kernels, two threads
against one beside a loop that needs nothing but the core, refreshes every so often against none.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.serving._bundles import two_versions
from runtime import Engine
from tests.debian import run
from tests.host import build
from tuner.arch import host_arch
from tuner.measure.process import THREADS

Figures = dict[str, float]


class _Host:
    """`tunefleet-bench` on one bundle."""

    def __init__(self, bundle: Path, args: argparse.Namespace) -> None:
        self._program, self._bundle, self._args = build() / "tunefleet-bench", bundle, args

    def _figures(self, command: str, *arguments: object) -> Figures:
        text = run(self._program, command, str(self._bundle), *map(str, arguments))
        return {name: float(number) for name, number in map(str.split, text.splitlines())}

    def overhead(self) -> None:
        """A call beyond its kernels, with its inputs near and far."""
        for batch in self._args.batches:
            f = self._figures("overhead", batch, 2000)
            for where in ("near", "far"):
                call, beyond, copy = (f[f"{where}_{x}_us"] for x in ("call", "beyond", "copy"))
                print(f"batch {batch:4}, inputs {where:4}: call {call:.2f} µs, beyond its kernels "
                      f"{beyond:.2f} µs ({beyond / call:.1%}); to copy as many bytes and "
                      f"look at them {copy:.2f} µs")  # fmt: skip

    def allocations(self) -> None:
        """What calls allocate."""
        f = self._figures("allocations", self._args.batches[-1], 10_000)
        print(f"10000 calls after the first: {f['mallocs']:.0f} allocations, "
              f"{f['faults']:.0f} pages touched for the first time")  # fmt: skip

    def threads(self) -> None:
        """Two threads over one."""
        last = self._args.batches[-1]
        f = self._figures("threads", last, self._args.rounds, self._args.seconds)
        print(f"batch {last}: {f['one_per_s']:.0f} calls/s by one thread, {f['two_per_s']:.0f} by "
              f"two: {f['ratio']:.2f}x; a loop in registers: {f['spin_ratio']:.2f}x")  # fmt: skip

    def refresh(self) -> None:
        """Refreshes under load."""
        args = self._args
        f = self._figures("refresh", args.batches[-1], args.threads, args.rounds, args.seconds,
                          args.period_ms)  # fmt: skip
        print(f"{args.threads} threads, {f['refreshing_s']:.0f} s with {f['swaps']:.0f} versions "
              f"{args.period_ms} ms apart, {f['served']:.0f} of them served, in turns with none: "
              f"{f['calls']:.0f} calls, {f['failed']:.0f} failed, {f['mixed']:.0f} mixed; "
              f"resident {f['first_mb']:.1f} MB after the first turn, {f['last_mb']:.1f} MB after "
              f"the last")  # fmt: skip
        for part in ("p50", "p99", "p999"):
            calm, busy = f[f"steady_{part}_us"], f[f"refreshed_{part}_us"]
            print(f"{part}: {calm:.1f} µs steady, {busy:.1f} µs refreshing, {busy / calm:.2f}x")


#: In the order in which they are run.
_PARTS: dict[str, Callable[[_Host], None]] = {
    "overhead": _Host.overhead,
    "allocations": _Host.allocations,
    "threads": _Host.threads,
    "refresh": _Host.refresh,
}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks serving.host", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=8, help="turns of threads and of refreshes")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each of those turns")
    parser.add_argument("--threads", type=int, default=2, help="that score during refreshes")
    parser.add_argument("--period-ms", type=int, default=100, help="between two refreshes")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        _, bundle = two_versions(Engine(use_records=False), Path(folder), tuple(args.batches))
        print(f"{host_arch().name}, {len(os.sched_getaffinity(0))} CPUs, example DLRM")
        host = _Host(bundle, args)
        for part in args.parts:
            _PARTS[part](host)


if __name__ == "__main__":
    os.environ.update(THREADS)
    main()
