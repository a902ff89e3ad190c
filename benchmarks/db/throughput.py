"""Measurements stored per second, in batches of 64, each batch one committed transaction.

The rows are as a fleet writes them: a trace of 2.7 kB of its own, five repeats, a calibration.
To be met: 10 000/s on SQLite from one writer, 5 000/s on PostgreSQL (from several: a fleet has
many, and one waits for the disk at each commit).

    python -m benchmarks.db.throughput --on sqlite
"""

from __future__ import annotations

import multiprocessing
import random
import time
import uuid
from multiprocessing.synchronize import Barrier

from benchmarks.db.common import kinds, opened, parser, report
from db import Measurement
from db.testing.builders import ARCH, TOOLCHAIN, populate, workload

BATCH = 64

_TRACE = '["Split",["l12",null,16],[1,2,1],["l40","l41"]],' * 55


def batch(job_id: int) -> list[Measurement]:
    """A batch of fresh measurements."""
    calibration = {"fma_gflops": 118.25, "read_gbs_4MiB": 21.5}
    return [
        Measurement(
            uid=uuid.uuid4().hex,
            job_id=job_id,
            attempt=1,
            workload=workload(random.randrange(32)).digest,
            arch=ARCH.name,
            toolchain=TOOLCHAIN.key,
            candidate=uuid.uuid4().hex * 2,
            strategy="ansor",
            trace=f'[[{_TRACE}["EnterPostproc",[],[],[]]],[["{uuid.uuid4().hex}"]]]',
            run_secs=tuple(random.uniform(1e-5, 2e-5) for _ in range(5)),
            host="host1",
            cpu="AMD EPYC",
            core=3,
            calibration=calibration,
            build_secs=0.4,
        )
        for _ in range(BATCH)
    ]


def _write(url: str, job_id: int, batches: int, start: Barrier, done: Barrier) -> None:
    with opened(url) as store:
        made = [batch(job_id) for _ in range(batches)]
        store.add_measurements(batch(job_id))
        start.wait()
        for one in made:
            store.add_measurements(one)
        done.wait()


def measure(url: str, writers: int, batches: int) -> float:
    """Measurements per second of all writers together."""
    with opened(url) as store:
        world = populate(store)
        store.add_workloads([workload(n) for n in range(32)])
        world.campaign(*range(1, writers + 1))
        jobs = [world.lease().job.id for _ in range(writers)]
    # Not forked: a child must not share a connection.
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(writers + 1), context.Barrier(writers + 1)
    processes = [
        context.Process(target=_write, args=(url, job, batches, start, done)) for job in jobs
    ]
    for process in processes:
        process.start()
    start.wait()
    started = time.perf_counter()
    done.wait()
    seconds = time.perf_counter() - started
    for process in processes:
        process.join()
    return writers * batches * BATCH / seconds


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--batches", type=int, default=300, help="batches per writer")
    options.add_argument("--writers", type=int, nargs="*", help="default: 1, or 1 2 4 on a server")
    given = options.parse_args()
    for kind in kinds(given.on, given.folder):
        for writers in given.writers or ([1] if kind.name == "sqlite" else [1, 2, 4]):
            rate = measure(kind.fresh(), writers, given.batches)
            report(
                benchmark="throughput",
                on=kind.name,
                writers=writers,
                batch=BATCH,
                measurements=writers * given.batches * BATCH,
                per_second=round(rate),
            )


if __name__ == "__main__":
    main()
