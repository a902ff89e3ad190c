"""Time to look up the 200 best records of a model among 5 million measurements.

To be met: 10 ms, rows read and turned into objects included.

    python -m benchmarks.db.lookup --measurements 5000000
"""

from __future__ import annotations

import argparse

from benchmarks.db.common import Kind, kinds, opened, parser, report, spread, timed
from db.store._sql import SqlStore
from db.testing.builders import ARCH, TOOLCHAIN, populate
from db.testing.bulk import fill_records
from db.testing.plans import plans


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--measurements", type=int, default=5_000_000)
    options.add_argument("--workloads", type=int, default=5_000)
    options.add_argument("--tasks", type=int, default=200)
    options.add_argument("--repeats", type=int, default=200)
    given = options.parse_args()
    for kind in kinds(given.on, given.folder):
        with opened(kind.fresh()) as store:
            _measure(kind, store, given)


def _measure(kind: Kind, store: SqlStore, given: argparse.Namespace) -> None:
    world = populate(store)

    def fill() -> None:
        fill_records(
            world,
            store.database,
            measurements=given.measurements,
            records=given.measurements // 10,
            workloads=given.workloads,
            model=given.tasks,
        )

    def lookup() -> None:
        found = store.lookup(world.model_version, 16, ARCH.name, TOOLCHAIN.key)
        assert len(found) == given.tasks

    filled = timed(fill)
    kind.settle()
    first = timed(lookup)
    report(
        benchmark="lookup",
        on=kind.name,
        measurements=given.measurements,
        tasks=given.tasks,
        filled_s=round(filled / 1e3),
        first_ms=round(first, 3),
        **spread([timed(lookup) for _ in range(given.repeats)]),
    )
    print(*plans(store.database, lookup, table="best_records"), sep="\n")


if __name__ == "__main__":
    main()
