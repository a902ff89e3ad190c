"""Time to claim a job among 100 000 queued, with more and more finished ones behind.

To be met on PostgreSQL: a median of 5 ms, not growing with finished jobs.

    python -m benchmarks.db.claim --on postgresql
"""

from __future__ import annotations

from benchmarks.db.common import kinds, opened, parser, report, spread, timed
from db import Schedule
from db.testing.builders import ARCH, populate
from db.testing.bulk import fill_jobs
from db.testing.plans import plans


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--queued", type=int, default=100_000)
    options.add_argument("--done", type=int, nargs="*", default=[0, 100_000, 1_000_000])
    options.add_argument("--repeats", type=int, default=300)
    given = options.parse_args()
    for kind in kinds(given.on, given.folder):
        for done in given.done:
            with opened(kind.fresh()) as store:
                world = populate(store)
                fill_jobs(world, store.database, queued=given.queued, done=done)
                kind.settle()
                for archs in ([ARCH.name], None):

                    def claim(archs: list[str] | None = archs) -> None:
                        assert store.claim_job("worker", archs=archs) is not None

                    def commit() -> None:
                        store.put_schedule(Schedule("floor", "never"))

                    claim()
                    times = [timed(claim) for _ in range(given.repeats)]
                    floor = [timed(commit) for _ in range(given.repeats)]
                    report(
                        benchmark="claim",
                        on=kind.name,
                        queued=given.queued,
                        done=done,
                        archs=1 if archs else "all",
                        **spread(times),
                        # What any committed row costs here at this moment.
                        commit_ms=spread(floor)["median_ms"],
                    )
                plan, *_ = plans(
                    store.database,
                    lambda: store.claim_job("worker", archs=[ARCH.name]),
                    table="jobs",
                )
        print(plan)


if __name__ == "__main__":
    main()
