"""A fleet at work on a database, in a process of its own: what pages are read beside.

``python -m benchmarks._fleet URL`` prints a line after its first round, and goes on until its input
ends. Each round stores the candidates of a workload, one of which becomes its best record.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from db import JobState, Measurement, Store, open_store
from db.testing.builders import measurement, promotion

#: Seconds between two rounds.
ROUND_S = 0.5
#: Candidates that are stored in a round.
BATCH = 20


def main() -> None:
    """Work."""
    with open_store(sys.argv[1]) as store:
        made = batches(store)
        store_batch(store, next(made))
        print("at work", flush=True)
        while not select.select([sys.stdin], [], [], ROUND_S)[0]:
            store_batch(store, next(made))


def batches(store: Store) -> Iterator[list[Measurement]]:
    """Candidates of one workload after the other, of the jobs that run."""
    running = store.campaigns(1)[0].campaign_id
    jobs = [p.job for p in store.job_progress(running) if p.job.state is JobState.RUNNING]
    toolchain = store.toolchains()[0].key
    uid = itertools.count(time.time_ns())
    for job in itertools.cycle(jobs):
        for task in store.tasks(job.model_version, job.arch, job.bucket):
            yield [
                measurement(
                    next(uid),
                    job_id=job.id,
                    attempt=9,
                    workload=task.workload.digest,
                    arch=job.arch,
                    toolchain=toolchain,
                )
                for _ in range(BATCH)
            ]


def store_batch(store: Store, made: Sequence[Measurement]) -> None:
    """Store candidates of a workload; one of them becomes its best."""
    store.add_measurements(made)
    of = made[0]
    best = store.best_records([of.workload], of.arch, of.toolchain).get(of.workload)
    # Whatever stands is beaten by a little.
    secs = 3e-5 if best is None else best.run_secs * 0.98
    store.promote(promotion(of, run_secs_median=secs, default_secs=6e-5))


@contextlib.contextmanager
def at_work(url: str) -> Iterator[None]:
    """A fleet that works for as long as the block lasts."""
    command = [sys.executable, "-m", "benchmarks._fleet", url]
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        yield
        process.communicate("")


if __name__ == "__main__":
    main()
