"""Threads: no job twice, no measurement lost, the best is the fastest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from db.domain.jobs import Lease
from db.testing.builders import ARCH, TOOLCHAIN, World, measurement, promotion, workload
from db.testing.conformance.base import Conformance

_THREADS = 4


def _race(*calls: Callable[[], object]) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


class ConcurrencyConformance(Conformance):
    """One store in many threads."""

    def test_no_job_is_claimed_twice(self, world: World) -> None:
        world.campaign(*range(1, 21))
        leases: list[Lease] = []

        def drain(worker: str) -> None:
            while (lease := world.store.claim_job(worker)) is not None:
                leases.append(lease)

        _race(*[lambda n=n: drain(f"w{n}") for n in range(_THREADS)])
        assert sorted(lease.job.bucket for lease in leases) == list(range(1, 21))

    def test_overlapping_batches_are_stored_once(self, world: World) -> None:
        world.campaign()
        job = world.lease().job
        batch = [measurement(n, job_id=job.id) for n in range(60)]

        def add(start: int) -> int:
            # Each in another order: whoever locks in the order given would deadlock.
            return world.store.add_measurements(batch[start:] + batch[:start])

        _race(*[lambda n=n: add(n * 15) for n in range(_THREADS)])
        (progress,) = world.store.job_progress(job.campaign_id)
        assert progress.measurements == 60

    def test_the_fastest_of_racing_promotions_wins(self, world: World) -> None:
        tries = [measurement(n, secs=(1 + (n * 7) % 20) * 1e-5) for n in range(20)]
        world.store.add_measurements(tries)
        _race(*[lambda m=m: world.store.promote(promotion(m)) for m in tries])
        (best,) = world.store.best_records([workload().digest], ARCH.name, TOOLCHAIN.key).values()
        assert best.run_secs == min(m.median for m in tries if m.median is not None)
        history = world.store.history(workload().digest, ARCH.name, TOOLCHAIN.key)
        assert history[-1].measurement_uid == best.measurement_uid
        secs = [record.run_secs for record in history]
        assert secs == sorted(secs, reverse=True)
