"""Loading a model: cold, from the disk cache, and until the first call can be served.

Each figure is of a process of its own that has imported this package, with a cache folder of its
own: the time of `Engine.load`, the file of the model read included. ``cold`` compiles every bucket,
which takes the seconds ``of CPU`` over all cores;
``disk`` is a second process that finds them; ``first`` returns as soon as code for any batch can
serve, and ``all`` is when every bucket has taken over.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.dlrm import export_dlrm
from tuner.arch import host_arch

#: One load, in a process of its own: what it took goes to standard output as JSON.
_LOAD = """
import json, sys, time
from runtime import Engine
engine = Engine(sys.argv[4] or None, use_records=bool(sys.argv[4]), cache=sys.argv[2])
buckets, wait = json.loads(sys.argv[3]), sys.argv[5] == "wait"
start, cpu = time.perf_counter(), time.process_time()
model = engine.load(sys.argv[1], buckets=buckets, wait=wait)
loaded, cpu = time.perf_counter() - start, time.process_time() - cpu
model(*model.random_inputs(3))
called = time.perf_counter() - start
model.wait()
ready = time.perf_counter() - start
print(json.dumps([loaded, called, ready, cpu, engine.compile_count]))
"""


def load(path: Path, cache: Path, buckets: list[int], db: str, *, wait: bool) -> list[float]:
    """Seconds until loaded, until the first call, until ready, of CPU; and buckets compiled."""
    command = [sys.executable, "-c", _LOAD, path, cache, json.dumps(buckets), db,
               "wait" if wait else "serve"]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    times: list[float] = json.loads(done.stdout.splitlines()[-1])
    return times


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks runtime.load", description=__doc__)
    parser.add_argument("--buckets", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--rounds", type=int, default=1, help="of cold loads; five times of others")
    parser.add_argument("--model", type=Path, help="a model file; the example DLRM by default")
    parser.add_argument("--db", default="", help="database in which the model was tuned")
    parser.add_argument("--no-first", action="store_true", help="leave out loads that do not wait")
    args = parser.parse_args()
    times: dict[str, list[float]] = {
        "cold": [], "of CPU": [], "disk": [], "first": [], "all": []
    }  # fmt: skip
    with TemporaryDirectory() as folder:
        path = args.model or Path(folder) / "dlrm.pt2"
        if args.model is None:
            export_dlrm(path)
        for i in range(args.rounds):
            cache = Path(folder) / f"cache{i}"
            seconds, _, _, cpu, compiled = load(path, cache, args.buckets, args.db, wait=True)
            assert compiled == len(args.buckets)
            times["cold"].append(seconds)
            times["of CPU"].append(cpu)
            for _ in range(5):
                seconds, _, _, _, compiled = load(path, cache, args.buckets, args.db, wait=True)
                assert compiled == 0
                times["disk"].append(seconds)
            if not args.no_first:
                cache = Path(folder) / f"serving{i}"
                _, called, ready, _, _ = load(path, cache, args.buckets, args.db, wait=False)
                times["first"].append(called)
                times["all"].append(ready)
    print(f"{host_arch().name}, {len(os.sched_getaffinity(0))} CPUs, {len(args.buckets)} buckets; "
          "seconds, medians")  # fmt: skip
    middle = {name: statistics.median(some) for name, some in times.items() if some}
    for name, seconds in middle.items():
        print(f"{name:8}{seconds:8.3f}")
    print(f"from disk {middle['cold'] / middle['disk']:.0f}x as fast as cold")


if __name__ == "__main__":
    main()
