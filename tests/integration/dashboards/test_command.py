"""``tunefleet dashboard`` as a process: where it is, what it takes, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import open_store
from tests.site import PATIENCE_S, Site


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    open_store(str(tmp_path / "tunefleet.db")).close()
    command = ["-m", "scheduler.cli", "--db", str(tmp_path / "tunefleet.db"), "dashboard"]
    with subprocess.Popen(
        [sys.executable, *command, "--port", "0"], stderr=subprocess.PIPE, text=True
    ) as started:
        yield started
        started.kill()


def test_it_serves_behind_those_who_tune_and_ends_with_viewers_watching(
    process: subprocess.Popen[str],
) -> None:
    assert process.stderr is not None
    site = Site(process.stderr.readline().strip().rstrip("/"))
    assert site.base.startswith("http://127.0.0.1:")
    assert site.get("/healthz").json == {"status": "ok"}
    assert "tunefleet models add" in site.get("/tonight").text
    assert "tunefleet_up 1.0" in site.get("/metrics").text
    assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
    events = site.events("/tonight.live")
    assert next(events)[0] == "state"
    process.send_signal(signal.SIGTERM)
    assert process.stderr.read() == "stopped; start it again to serve on\n"
    assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
