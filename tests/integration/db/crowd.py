"""A crowd of processes that claim and insert until they are killed, and what they were told."""

from __future__ import annotations

import json
import os
import random
import signal
import uuid
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from db import Lease, LeaseLost, Store, measurement_uid, open_store
from db.testing.builders import digest, measurement
from tests.children import start

BATCH = 16

#: Short, so that the jobs of the killed come back within the test.
LEASE_S = 0.6


class Crowd:
    """Worker processes of one database, each with a file of what was acknowledged to it."""

    def __init__(self, url: str, folder: Path, size: int) -> None:
        self._url = url
        self._folder = folder
        self._alive = [self._spawn() for _ in range(size)]

    def kill_one(self) -> None:
        """Kill a random worker in whatever it is doing, and start another in its place."""
        place = random.randrange(len(self._alive))
        self._kill(self._alive[place])
        self._alive[place] = self._spawn()

    def said(self) -> int:
        """Lines that its workers wrote, dead ones too."""
        return sum(path.read_bytes().count(b"\n") for path in self._folder.glob("*.log"))

    def kill_all(self) -> None:
        """Kill every worker."""
        for child in self._alive:
            self._kill(child)
        self._alive = []

    def _spawn(self) -> BaseProcess:
        return start(_work, self._url, self._folder / f"{uuid.uuid4().hex}.log")

    def _kill(self, child: BaseProcess) -> None:
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL, "a worker ended by itself"


def _work(url: str, path: Path) -> None:
    random.seed(os.getpid())
    worker = path.stem
    log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def say(**what: Any) -> None:
        # One write of one line: it is in the kernel's hands whole before the next step.
        os.write(log, f"{json.dumps(what, default=str)}\n".encode())

    with open_store(url, patience_s=600.0) as store:
        while True:
            if random.random() < 0.3:
                store.expire_leases()
            lease = store.claim_job(worker, lease_s=LEASE_S)
            if lease is None:
                continue
            say(claim=[lease.job.id, lease.job.attempt, lease.token, lease.expires_at])
            try:
                _tune(store, lease, say)
            except LeaseLost:
                say(lost=[lease.job.id, lease.job.attempt])


def _tune(store: Store, lease: Lease, say: Any) -> None:
    job = lease.job
    for number in range(random.randrange(1, 8)):
        batch = []
        for n in range(BATCH):
            candidate = digest(job.id, job.attempt, number, n)
            uid = measurement_uid(job.id, job.attempt, candidate)
            secs = random.uniform(1e-6, 1e-3)
            one = measurement(n, job_id=job.id, attempt=job.attempt, secs=secs)
            batch.append(replace(one, uid=uid, candidate=candidate))
        inserted = store.add_measurements(batch)
        say(batch=[one.uid for one in batch], job=job.id, inserted=inserted)
        if random.random() < 0.3:
            assert store.add_measurements(batch) == 0
        lease = store.renew(lease, LEASE_S)
        say(renew=[job.id, job.attempt, lease.token, lease.expires_at])
    leave = random.choice(["finish", "fail", "release"])
    if leave == "fail":
        store.fail(lease, "boom")
    elif leave == "finish":
        store.finish(lease)
    else:
        store.release(lease)
    say(left=[job.id, job.attempt, leave])


@dataclass
class Told:
    """What the database acknowledged, gathered from the logs of all workers."""

    #: Batches of uids.
    batches: list[list[str]] = field(default_factory=list)
    #: (job, attempt) -> tokens that were handed out for it.
    tokens: dict[tuple[int, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    #: (job, attempt) -> latest end of the lease.
    ends: dict[tuple[int, int], datetime] = field(default_factory=dict)

    @classmethod
    def gather(cls, folder: Path) -> Told:
        told = cls()
        for path in folder.glob("*.log"):
            for line in path.read_text().splitlines():
                told._add(json.loads(line))
        return told

    def _add(self, said: dict[str, Any]) -> None:
        if "batch" in said:
            # What was inserted before its answer was lost is found, not inserted.
            assert said["inserted"] in (0, BATCH)
            self.batches.append(said["batch"])
        for kind in ("claim", "renew"):
            if kind in said:
                job, attempt, token, end = said[kind]
                self.tokens[job, attempt].add(token)
                moment = datetime.fromisoformat(end)
                self.ends[job, attempt] = max(moment, self.ends.get((job, attempt), moment))
