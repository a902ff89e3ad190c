"""A worker process: claims jobs of a campaign, one after the other, and runs them."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Sequence

from db import DbError, LeaseLost, Store, WorkerInfo
from tuner.arch import host_arch
from tuner.errors import TunerError
from tuner.measure import Builder, LocalBuilder, LocalMeasurer, MeasureOptions, Measurer
from workers.host import cpu_model, host_name
from workers.job import JobOptions, run_job


def serve_campaign(
    store: Store,
    campaign_id: int,
    *,
    archs: Sequence[str],
    measure: MeasureOptions,
    options: JobOptions = JobOptions(),
    builder: Builder | None = None,
    measurer: Measurer | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Run jobs of a campaign until none can be claimed.

    Parameters
    ----------
    archs
        CPU architectures whose kernels this host can run.

    Returns
    -------
    Number of jobs that were run to their end.
    """
    builder = builder or LocalBuilder(measure)
    measurer = measurer or LocalMeasurer(measure)
    worker = str(uuid.uuid4())
    store.register_worker(
        WorkerInfo(
            id=worker, host=host_name(), arch=host_arch().name, cpu=cpu_model(), pid=os.getpid()
        )
    )
    core = getattr(measurer, "core", None)
    done = 0
    try:
        while not should_stop():
            lease = store.claim_job(
                worker, archs=list(archs), lease_s=options.lease_s, campaign_id=campaign_id
            )
            if lease is None:
                return done
            try:
                run_job(
                    store, lease, builder, measurer, options, core=core, should_stop=should_stop
                )
                done += 1
            except LeaseLost:
                # Somebody else has the job; what was measured here is stored and counts.
                continue
            except (TunerError, ValueError, KeyError, RuntimeError) as error:
                store.fail(lease, f"{type(error).__name__}: {error}"[:500])
        return done
    finally:
        builder.close()
        measurer.close()
        # If the database is gone, its leases run out by themselves.
        with contextlib.suppress(DbError):
            store.retire_worker(worker, "finished")
