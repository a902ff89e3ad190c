"""What pages cost with a million measurements, and what a hundred viewers cost a tuner.

Pages are asked for over HTTP, each from a dashboard in a process of its own that was started for
it, while a fleet works on the database (`benchmarks._fleet`): `first` as soon as it serves;
`again`, median and longest of five, when what is remembered of the page has run out; `rested`, the
longer of two, after half a minute in which nobody asked for anything. Then a writer stores
measurements while nobody and while a hundred viewers watch, in turns (`benchmarks._viewers`).
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

from benchmarks._fleet import at_work
from benchmarks._viewers import dashboard, fetch, viewers
from dashboards.testing import ADDRESSES, names
from db import open_store
from db.store._sql import SqlStore
from db.testing.fleet import FleetSize, fill_fleet
from db.testing.postgres import temporary_postgres

#: Views of each page after the first, and how long a page is remembered.
AGAIN, REMEMBERED_S = 5, 1.1
#: Rests, and how long they last.
RESTS, REST_S = 2, 31.0


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measurements", type=int, default=FleetSize().measurements)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument(
        "--database", metavar="URL", action="append", default=[], help="one that was filled before"
    )
    parser.add_argument("--fill", action="store_true", help="fill every --database, and end")
    parser.add_argument("--part", choices=("pages", "viewers"))
    parser.add_argument("--rounds", type=int, default=4, help="turns with and without viewers")
    chosen = parser.parse_args()
    size = FleetSize(measurements=chosen.measurements)
    for url in chosen.database:
        if chosen.fill:
            fill(url, size)
        else:
            run(url, chosen.part, chosen.rounds)
    if chosen.database:
        return
    for kind in ("sqlite", "postgresql"):
        if chosen.only in (None, kind):
            with database(kind) as url:
                fill(url, size)
                run(url, chosen.part, chosen.rounds)


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


def run(url: str, part: str | None, rounds: int) -> None:
    """Measure over a filled database."""
    with open_store(url) as store:
        rows = store.stats().rows
        print(
            f"\n{url.partition(':')[0].partition('+')[0]}: {rows['measurements']:,} measurements, "
            f"{rows['jobs']:,} jobs, {rows['tasks']:,} kernels; {os.cpu_count()} cores"
        )
        if part != "viewers":
            with at_work(url):
                pages(url)
        if part != "pages":
            viewers(url, store, rounds)


def pages(url: str) -> None:
    """Time every page."""
    with contextlib.ExitStack() as stack:
        with dashboard(url) as (there, _):
            filled = names(lambda address: json.loads(fetch(there + address)))
        addresses = {}
        asked: dict[str, list[float]] = {}
        for path in [address.format(**filled) for address in ADDRESSES]:
            base, _ = stack.enter_context(dashboard(url))
            addresses[path] = base + path
            asked[path] = [view(base + path)[0]]
        for pause, rounds in ((REMEMBERED_S, AGAIN), (REST_S, RESTS)):
            for _ in range(rounds):
                time.sleep(pause)
                for path, times in asked.items():
                    times.append(view(addresses[path])[0])
        print(f"{'page':34}{'first':>9}{'again':>9}{'longest':>9}{'rested':>9}{'size':>9}")
        for path, (first, *others) in asked.items():
            size = view(addresses[path])[1]
            shown = path if len(path) < 33 else f"{path[:30]}..."
            again, rested = others[:AGAIN], others[AGAIN:]
            figures = (first, statistics.median(again), max(again), max(rested))
            print(f"{shown:34}{''.join(f'{f:6.0f} ms' for f in figures)}{size / 1000:6.0f} kB")
        slowest = max(asked, key=lambda path: max(asked[path]))
        print(f"slowest: {max(asked[slowest]):.0f} ms, {slowest}")


def view(address: str) -> tuple[float, int]:
    """Milliseconds that a page takes, and its bytes."""
    start = time.perf_counter()
    body = fetch(address)
    return (time.perf_counter() - start) * 1e3, len(body)


if __name__ == "__main__":
    main()
