"""Campaigns of the small model, and questions about how they went."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from db import CampaignSpec, JobSpec, RetryPolicy, Store
from workers.job import JobOptions
from workers.tools import ToolMaker, Tools
from workers.worker import WorkerOptions

AVX512 = "x86-64-v4"
AVX2 = "x86-64-v3"
AT_ONCE = RetryPolicy(max_failures=3, backoff_s=0.05)

#: Quick to notice everything.
EAGER = WorkerOptions(
    job=JobOptions(calibrate_every_s=0.0), heartbeat_s=0.05, idle_s=0.1, failed_jobs=3
)


@dataclass(frozen=True, slots=True)
class Stalling:
    """Tools with which a job cannot end before a test has interfered with it."""

    make: ToolMaker
    #: Candidates that are measured at once.
    after: int
    #: Whether the others may be.
    go: Callable[[], bool]

    def __call__(self) -> Tools:
        """Make them."""
        tools, ran = self.make(), itertools.count()
        run = tools.measurer.run

        def stalling(*args: Any, **named: Any) -> Any:
            if next(ran) >= self.after:
                while not self.go():
                    time.sleep(0.05)
            return run(*args, **named)

        tools.measurer.run = stalling  # type: ignore[method-assign]
        return tools


def campaign_of(
    store: Store,
    *,
    archs: tuple[str, ...] = (AVX512,),
    buckets: tuple[int, ...] = (1, 8),
    trials: int | None = 12,
    **changes: object,
) -> int:
    """Queue jobs of the model's workloads."""
    version = store.model_version("dlrm").id
    spec = CampaignSpec("test", "autotvm", trials, retry=AT_ONCE)
    jobs = [JobSpec(version, arch, bucket) for arch in archs for bucket in buckets]
    return store.create_campaign(replace(spec, **changes), jobs)  # type: ignore[arg-type]


def records(url: str) -> Counter[tuple[int, int]]:
    """How often each tuning record (workload, candidate) was measured on an architecture."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text("SELECT record_id, arch_id FROM measurements"))
            return Counter((row.record_id, row.arch_id) for row in found)
    finally:
        engine.dispose()


def in_background(call: Callable[[], object]) -> threading.Thread:
    """Run a call on a thread of its own."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 600.0) -> None:
    """Wait for something that has to happen."""
    ended = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        ended.wait(0.05)
    raise AssertionError(f"waited {seconds:g} s for {what}")
