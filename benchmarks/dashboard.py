"""What pages cost with a million measurements, and what a hundred viewers cost a tuner.

Pages are asked for over HTTP, each from a dashboard in a process of its own that was started for
it: `first` as soon as it serves; `again`, median and longest of five, when what is remembered of
the page alone has run out; `rested`, when nobody has asked for anything for longer than anything is
remembered. Then a writer stores measurements while nobody and while a hundred viewers watch, in
turns (`benchmarks._viewers`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator

from benchmarks._viewers import dashboard, fetch, viewers
from db import Store, open_store
from db.store._sql import SqlStore
from db.testing.fleet import FleetSize, fill_fleet
from db.testing.postgres import temporary_postgres

PAGES = (
    "/tonight",
    "/coverage",
    "/workloads/{workload}",
    "/models",
    "/models/ads-0",
    "/nights",
    "/nights/{night}",
    "/compare?before=1&after={night}",
    "/workers",
    "/errors",
    "/errors/{signature}",
    "/jobs?sort=updated",
    "/jobs/{job}",
)
#: Rounds over all pages between the first view and the rest.
AGAIN = 5
#: Seconds after which nothing is remembered any more.
REST_S = 36.0


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measurements", type=int, default=FleetSize().measurements)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--database", metavar="URL", help="one that was filled before")
    parser.add_argument("--fill", action="store_true", help="fill --database, and end")
    parser.add_argument("--part", choices=("pages", "viewers"))
    parser.add_argument("--rounds", type=int, default=6, help="turns with and without viewers")
    chosen = parser.parse_args()
    size = FleetSize(measurements=chosen.measurements)
    if chosen.database is not None:
        if chosen.fill:
            fill(chosen.database, size)
        else:
            run(chosen.database, size, chosen.part, chosen.rounds)
        return
    for kind in ("sqlite", "postgresql"):
        if chosen.only in (None, kind):
            with database(kind) as url:
                fill(url, size)
                run(url, size, chosen.part, chosen.rounds)


@contextlib.contextmanager
def database(kind: str) -> Iterator[str]:
    """URL of an empty database."""
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            yield f"sqlite:///{folder}/tunefleet.db"
        else:
            yield stack.enter_context(temporary_postgres()).create_database()


def fill(url: str, size: FleetSize) -> None:
    """Fill an empty database."""
    with open_store(url) as store:
        assert isinstance(store, SqlStore)
        fill_fleet(store, store.database, size)


def run(url: str, size: FleetSize, part: str | None, rounds: int) -> None:
    """Measure over a filled database."""
    with open_store(url) as store:
        rows = store.stats().rows
        print(
            f"\n{url.partition(':')[0].partition('+')[0]}: {rows['measurements']:,} measurements, "
            f"{rows['jobs']:,} jobs, {rows['tasks']:,} kernels; {os.cpu_count()} cores"
        )
        if part != "viewers":
            pages(url, store, size)
        if part != "pages":
            viewers(url, store, rounds)


def pages(url: str, store: Store, size: FleetSize) -> None:
    """Time every page."""
    with contextlib.ExitStack() as stack:
        names = {
            "workload": store.tasks(1, "znver4", 16)[0].workload.digest[:16],
            "night": str(size.nights - 1),
            "job": str(size.jobs // 2),
            "signature": "",
        }
        asked: dict[str, tuple[str, list[float]]] = {}
        for path in PAGES:
            base, _ = stack.enter_context(dashboard(url))
            if not names["signature"]:
                told = json.loads(fetch(base + "/errors.json"))
                names["signature"] = told["groups"][0]["signature"]
            filled = path.format(**names)
            asked[filled] = (base, [view(base + filled)[0]])
        for _ in range(AGAIN):
            began = time.perf_counter()
            for path, (base, times) in asked.items():
                times.append(view(base + path)[0])
            # Longer than a page is remembered.
            time.sleep(max(0.0, began + 1.1 - time.perf_counter()))
        time.sleep(REST_S)
        print(f"{'page':34}{'first':>9}{'again':>9}{'longest':>9}{'rested':>9}{'size':>9}")
        for path, (base, (first, *again)) in asked.items():
            rested, size_ = view(base + path)
            shown = path if len(path) < 33 else f"{path[:30]}..."
            figures = (first, statistics.median(again), max(again), rested)
            print(f"{shown:34}{''.join(f'{f:6.0f} ms' for f in figures)}{size_ / 1000:6.0f} kB")


def view(address: str) -> tuple[float, int]:
    """Milliseconds that a page takes, and its bytes."""
    start = time.perf_counter()
    body = fetch(address)
    return (time.perf_counter() - start) * 1e3, len(body)


if __name__ == "__main__":
    main()
