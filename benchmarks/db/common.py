"""What the database's benchmarks share: fresh databases, timing, one line of JSON per figure."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from db import open_store
from db.store._sql import SqlStore
from db.testing.postgres import TemporaryPostgres, temporary_postgres

#: A server as a fleet would run it: durable, and with memory for its indexes.
SETTINGS = {"max_wal_size": "4GB", "maintenance_work_mem": "512MB", "work_mem": "64MB"}


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Parse what every benchmark takes."""
    made = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    made.add_argument("--on", choices=["sqlite", "postgresql", "both"], default="both")
    made.add_argument("--folder", type=Path, help="folder of the SQLite file; default: temporary")
    return made


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of database."""

    #: ``sqlite`` or ``postgresql``.
    name: str
    #: Make a fresh database and return its URL.
    fresh: Callable[[], str]
    #: Bring to disk what was filled in, so that it does not come back during the timing.
    settle: Callable[[], None]


def kinds(on: str, folder: Path | None = None) -> Iterator[Kind]:
    """Yield each kind of database that was asked for."""
    if on != "postgresql":
        with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as name:
            numbers = iter(range(1000))
            yield Kind("sqlite", lambda: f"sqlite:///{name}/b{next(numbers)}.db", os.sync)
    if on != "sqlite":
        with _server() as server:
            yield Kind("postgresql", server.create_database, lambda: server.execute("CHECKPOINT"))


@contextmanager
def _server() -> Iterator[TemporaryPostgres]:
    with temporary_postgres(**SETTINGS) as server:
        yield server


@contextmanager
def opened(url: str) -> Iterator[SqlStore]:
    """Open a store."""
    with open_store(url) as store:
        assert isinstance(store, SqlStore)
        yield store


def timed(call: Callable[[], object]) -> float:
    """Milliseconds that `call` takes."""
    started = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - started)


def spread(milliseconds: list[float]) -> dict[str, float]:
    """Median, 95th percentile and worst of some timings."""
    ordered = sorted(milliseconds)
    return {
        "median_ms": round(statistics.median(ordered), 3),
        "p95_ms": round(ordered[int(0.95 * (len(ordered) - 1))], 3),
        "worst_ms": round(ordered[-1], 3),
        "repeats": len(ordered),
    }


def report(**figures: object) -> None:
    """Print one line of JSON, with what the machine was doing meanwhile."""
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({**figures, "load": load, "cores": os.cpu_count(), "cpu": _cpu()}), flush=True)


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
