"""A worker: claims jobs of a campaign, one after the other, and runs them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from db import DbError, LeaseLost, Store, WorkerInfo
from tuner.arch import host_arch
from tuner.errors import TunerError
from tuner.measure.process import ChildCrashed, ChildTimeout
from workers.health import Health, HealthPolicy
from workers.host import cpu_model, host_name
from workers.job import JobOptions, run_job
from workers.logs import get_logger
from workers.phases import Phases, watch
from workers.tools import Tools

log = get_logger("worker")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker serves."""

    #: How it runs a job.
    job: JobOptions = JobOptions()
    #: When it leaves because its host is not fit.
    health: HealthPolicy = HealthPolicy()
    #: Seconds between two heartbeats.
    heartbeat_s: float = 10.0
    #: Longest wait between two looks at an empty queue, in seconds.
    idle_s: float = 2.0
    #: It leaves after this many jobs failed in a row: another host may do better.
    failed_jobs: int = 3
    #: Stored with it, e.g. the node it runs on.
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Left:
    """How a worker ended."""

    #: Why, for people.
    reason: str
    #: Whether another one should take its place there.
    fit: bool = True
    #: Ray's id of the node it was on.
    node: str = ""


#: What a job may fail with; anything else is a defect of ours, and ends the worker.
_JOB_ERRORS = (TunerError, ValueError, KeyError, RuntimeError, ChildCrashed, ChildTimeout)


class _Heart:
    """Tells the database every few seconds that a worker lives, and hears whether to leave."""

    def __init__(self, store: Store, worker: str, phases: Phases, every_s: float) -> None:
        self._store, self._worker, self._phases, self._every_s = store, worker, phases, every_s
        self._ended = threading.Event()
        #: Why the worker is to leave; None if it may stay.
        self.drained: str | None = None
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._ended.wait(self._every_s):
            self.beat()

    def beat(self) -> None:
        """Tell and hear once."""
        # Away for long, the database finds out by the leases; a heart must not end a worker.
        with contextlib.suppress(DbError):
            self.drained = self._store.heartbeat(self._worker, self._phases.stats())

    def stop(self) -> None:
        """End; the last figures are told."""
        self._ended.set()
        self._thread.join()
        self.beat()


def serve_campaign(
    store: Store,
    campaign_id: int,
    *,
    archs: Sequence[str],
    tools: Tools,
    options: WorkerOptions = WorkerOptions(),
    worker: str | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Left:
    """Run jobs of a campaign until none is left for this worker, then close the tools.

    It waits for jobs that are backing off or that others hold: those may be lost yet.

    Parameters
    ----------
    archs
        CPU architectures whose kernels this worker measures.
    worker
        Its id, fresh for each call.
    """
    worker = worker or str(uuid.uuid4())
    phases, health = Phases(), Health(options.health)
    watched = watch(tools, phases, health)
    store.register_worker(
        WorkerInfo(
            id=worker,
            host=host_name(),
            arch=host_arch().name,
            cpu=cpu_model(),
            pid=os.getpid(),
            labels=dict(options.labels),
        )
    )
    heart = _Heart(store, worker, phases, options.heartbeat_s)
    told = log.bind(campaign=campaign_id, worker=worker, core=tools.core)
    told.info("worker started", archs=list(archs))
    left = Left("its process was ended")
    try:
        left = _serve(
            store, campaign_id, archs, watched, options, worker, health, heart, should_stop
        )
    except BaseException as error:
        left = Left(f"{type(error).__name__}: {error}"[:500])
        raise
    finally:
        watched.close()
        heart.stop()
        told.info("worker left", reason=left.reason, **phases.stats())
        # If the database is gone, its leases run out by themselves.
        with contextlib.suppress(DbError):
            store.retire_worker(worker, left.reason)
    return left


def _serve(
    store: Store,
    campaign_id: int,
    archs: Sequence[str],
    tools: Tools,
    options: WorkerOptions,
    worker: str,
    health: Health,
    heart: _Heart,
    should_stop: Callable[[], bool],
) -> Left:
    failed = 0

    def why_leave() -> Left | None:
        if should_stop():
            return Left("it was stopped")
        verdict = f"drained: {heart.drained}" if heart.drained is not None else health.verdict()
        return None if verdict is None else Left(verdict, fit=False)

    while True:
        if leave := why_leave():
            return leave
        lease = store.claim_job(
            worker, archs=list(archs), lease_s=options.job.lease_s, campaign_id=campaign_id
        )
        if lease is None:
            wait = store.next_claim_in(campaign_id, archs)
            if wait is None:
                return Left("no job is left")
            time.sleep(min(max(wait, 0.05), options.idle_s))
            continue
        told = log.bind(campaign=campaign_id, job=lease.job.id, worker=worker)
        told.info("job claimed", arch=lease.job.arch, attempt=lease.job.attempt)
        try:
            measured = run_job(
                store,
                lease,
                tools,
                options.job,
                should_stop=lambda: why_leave() is not None,
            )
            failed = 0
            told.info("job ended", measured=measured)
        except LeaseLost as error:
            # Somebody else has the job; what was measured here is stored and counts.
            told.warning("lease lost", reason=str(error))
        except _JOB_ERRORS as error:
            failed += 1
            text = f"{type(error).__name__}: {error}"[:500]
            told.error("job failed", reason=text)
            with contextlib.suppress(LeaseLost):
                store.fail(lease, text)
            if failed >= options.failed_jobs:
                reason = f"failing: {failed} jobs in a row failed here, the last with {text}"
                return Left(reason, fit=False)
