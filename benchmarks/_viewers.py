"""A writer beside a dashboard that a hundred people watch, and what that costs it.

The writer stores batches as fast as it can, which is many times what a fleet does: whatever the
dashboard takes shows. On one machine it shows at its worst, too: a fleet's dashboard need not run
where the tuner does. The viewers' own work is not the dashboard's doing (they sit elsewhere), so
they run in a process that takes only what nobody else wants.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

import psutil

from benchmarks._fleet import BATCH, batches
from db import Store

#: Seconds of a turn.
TURN_S = 4.0

_CANDIDATES = re.compile(r"<dt>candidates</dt><dd>([^<]*)</dd>")


def viewers(url: str, store: Store, rounds: int, number: int = 100) -> None:
    """Print rates of a writer with and without viewers, in turns, and when they see a write."""
    write = _writer(store)
    with dashboard(url) as (base, process):
        fetch(base + "/tonight")
        _rate(write)
        alone, watched, shares, seen = [], [], [], []
        for _ in range(rounds):
            alone.append(_rate(write))
            with watching(base, number) as browsers:
                before = [_cpu(process), _cpu(browsers)]
                watched.append(_rate(write))
                used = [_cpu(process) - before[0], _cpu(browsers) - before[1]]
                shares.append([secs / TURN_S for secs in used])
                seen.append(_seen_after(base, write))
        alone.append(_rate(write))
    # Each turn with viewers against the mean of the two beside it; those against one another.
    beside = [(a + b) / 2 for a, b in itertools.pairwise(alone)]
    ratios = [with_ / without for with_, without in zip(watched, beside, strict=True)]
    steps = [late / early for early, late in itertools.pairwise(alone)]
    print(
        f"a writer beside {number} viewers of /tonight, {rounds} turns of {TURN_S:g} s with them:\n"
        f"  batches of {BATCH} a second    {statistics.median(alone):.1f} without, "
        f"{statistics.median(watched):.1f} with viewers\n"
        f"  with : without           {_spread(ratios)}\n"
        f"  without : without before {_spread(steps)}, the machine's own noise\n"
        f"  cores in use             {statistics.median(s[0] for s in shares):.2f} by the "
        f"dashboard, {statistics.median(s[1] for s in shares):.2f} by the viewers\n"
        f"  a write is seen after    {statistics.median(seen):.2f} s, {max(seen):.2f} s at most"
    )


def _writer(store: Store) -> Callable[[], None]:
    made = batches(store)

    def write() -> None:
        store.add_measurements(next(made))

    return write


def _rate(write: Callable[[], None]) -> float:
    start, batches = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < TURN_S:
        write()
        batches += 1
    return batches / spent


def _seen_after(base: str, write: Callable[[], None]) -> float:
    """Seconds from a write to the events that tell it, while the others watch on."""
    with contextlib.closing(urllib.request.urlopen(base + "/tonight.live", timeout=60)) as live:
        # Until nothing of the turn before is on its way any more.
        time.sleep(1.5)
        campaigns = json.loads(fetch(base + "/tonight.json"))["campaigns"]
        expected = sum(campaign["measured"] for campaign in campaigns) + BATCH
        start = time.perf_counter()
        write()
        for line in live:
            found = _CANDIDATES.search(line.decode())
            if found and int("".join(filter(str.isdecimal, found[1]))) == expected:
                return time.perf_counter() - start
    raise AssertionError("the dashboard ended the connection")


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def dashboard(url: str) -> Iterator[tuple[str, psutil.Process]]:
    """A dashboard in a process of its own, as soon as it serves."""
    command = [sys.executable, "-m", "scheduler.cli", "--db", url, "dashboard", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield process.stderr.readline().strip().rstrip("/"), psutil.Process(process.pid)
        finally:
            process.terminate()


def fetch(address: str) -> bytes:
    """A page."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        found: bytes = answer.read()
        return found


@contextlib.contextmanager
def watching(base: str, number: int) -> Iterator[psutil.Process]:
    """Viewers in a process of their own, as soon as all of them have something to look at."""
    command = [sys.executable, "-m", "benchmarks._watchers", base, str(number)]
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "all watch\n"
        yield psutil.Process(process.pid)
        process.communicate("")
