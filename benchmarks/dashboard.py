"""What pages cost with a million measurements, and what a hundred viewers cost a tuner.

Every page is asked for over HTTP, from a dashboard in a process of its own: `first` when nothing
is remembered, `median` of ten more requests, each after what was remembered has run out. Then a
writer stores measurements, as recorders do, while nobody and while a hundred viewers watch, in
turns; the ratio of its rates is what they cost it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator

import psutil

from db import Store, open_store
from db.store._sql import SqlStore
from db.testing.builders import measurement
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


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measurements", type=int, default=FleetSize().measurements)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--rounds", type=int, default=3, help="turns with and without viewers")
    chosen = parser.parse_args()
    size = FleetSize(measurements=chosen.measurements)
    for kind in ("sqlite", "postgresql"):
        if chosen.only in (None, kind):
            with database(kind) as url:
                run(kind, url, size, chosen.rounds)


@contextlib.contextmanager
def database(kind: str) -> Iterator[str]:
    """URL of an empty database."""
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            yield f"sqlite:///{folder}/tunefleet.db"
        else:
            yield stack.enter_context(temporary_postgres()).create_database()


def run(kind: str, url: str, size: FleetSize, rounds: int) -> None:
    """Fill a database, and measure."""
    with open_store(url) as store:
        assert isinstance(store, SqlStore)
        fill_fleet(store, store.database, size)
        rows = store.stats().rows
        print(
            f"\n{kind}: {rows['measurements']:,} measurements, {rows['jobs']:,} jobs, "
            f"{rows['tasks']:,} kernels"
        )
        names = {
            "workload": store.tasks(1, "znver4", 16)[0].workload.digest[:16],
            "night": str(size.nights - 1),
            "job": str(size.jobs // 2),
            "signature": "",
        }
        with dashboard(url) as (base, _):
            names["signature"] = json.loads(fetch(base + "/errors.json"))["groups"][0]["signature"]
        print(f"{'page':34}{'first':>9}{'median':>9}{'size':>9}")
        for path in PAGES:
            page(path.format(**names), url)
        viewers(url, store, rounds)


@contextlib.contextmanager
def dashboard(url: str) -> Iterator[tuple[str, psutil.Process]]:
    """A dashboard in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "scheduler.cli", "--db", url, "dashboard", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        base = f"http://127.0.0.1:{port}"
        try:
            for _ in range(200):
                with contextlib.suppress(OSError):
                    fetch(base + "/healthz")
                    break
                time.sleep(0.05)
            yield base, psutil.Process(process.pid)
        finally:
            process.terminate()


def fetch(address: str) -> bytes:
    """A page."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        found: bytes = answer.read()
        return found


def page(path: str, url: str) -> None:
    """Time one page."""
    with dashboard(url) as (base, _):
        times = []
        for _ in range(11):
            start = time.perf_counter()
            body = fetch(base + path)
            times.append((time.perf_counter() - start) * 1e3)
            # Longer than a page is remembered.
            time.sleep(1.05)
    shown = path if len(path) < 33 else f"{path[:30]}..."
    print(
        f"{shown:34}{times[0]:6.0f} ms{statistics.median(times[1:]):6.0f} ms"
        f"{len(body) / 1000:6.0f} kB",
        flush=True,
    )


def viewers(url: str, store: Store, rounds: int, number: int = 100, seconds: float = 5.0) -> None:
    """What viewers cost a writer: rates with and without them, in turns."""
    uid = iter(range(10**9))
    job = store.job_progress(1)[0].job
    workload = store.tasks(job.model_version, job.arch, job.bucket)[0].workload.digest
    toolchain = store.toolchains()[0].key

    def write() -> float:
        """Batches of twenty per second."""
        until, batches, start = time.perf_counter() + seconds, 0, time.perf_counter()
        while time.perf_counter() < until:
            made = [
                measurement(
                    next(uid), job_id=job.id, attempt=9, workload=workload, arch=job.arch,
                    toolchain=toolchain,
                )
                for _ in range(20)
            ]  # fmt: skip
            store.add_measurements(made)
            batches += 1
            # A fleet of a few hundred slots writes about so often.
            time.sleep(0.02)
        return batches / (time.perf_counter() - start)

    with dashboard(url) as (base, process):
        fetch(base + "/tonight")
        without, watched, cost = [], [], []
        for _ in range(rounds):
            without.append(write())
            with watching(base, number):
                before = process.cpu_times()
                watched.append(write())
                after = process.cpu_times()
                used = after.user + after.system - before.user - before.system
                cost.append(used / seconds)
    print(
        f"{number} viewers of /tonight: the writer stores {statistics.median(watched):.1f} batches "
        f"a second, {statistics.median(without):.1f} without "
        f"({statistics.median(watched) / statistics.median(without):.3f}x); the dashboard takes "
        f"{statistics.median(cost):.0%} of a core"
    )


@contextlib.contextmanager
def watching(base: str, number: int) -> Iterator[None]:
    """Viewers of what is live, each on a connection of its own."""
    host, _, port = base.removeprefix("http://").partition(":")
    request = b"GET /tonight.live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(number):
            one = stack.enter_context(socket.create_connection((host, int(port))))
            one.sendall(request)
            opened.append(one)
        ended = threading.Event()

        def drain() -> None:
            while not ended.wait(0.1):
                for one in opened:
                    one.setblocking(False)
                    with contextlib.suppress(OSError):
                        while one.recv(1 << 16):
                            pass

        thread = threading.Thread(target=drain, daemon=True)
        thread.start()
        # Let every one of them have its first page.
        time.sleep(2.0)
        yield
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
