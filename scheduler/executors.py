"""Who runs the jobs of a campaign: this process, or actors on a Ray cluster."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

from db import Store, open_store
from scheduler.errors import ExecutorError
from tuner.measure import MeasureOptions
from workers.host import host_name, is_alive


class Executor(ABC):
    """Runs a campaign's jobs in the background.

    Contract: `start` returns at once; progress is read from the database, never from here; `poll`
    raises `ExecutorError` when nobody is left to work; `stop` ends all workers, and what they had
    stored stays; a killed executor leaves a campaign that another one takes up.
    """

    @abstractmethod
    def start(self, campaign_id: int) -> None:
        """Begin to work on a campaign."""

    @abstractmethod
    def poll(self) -> None:
        """Look after the workers; to be called every second or so."""

    @abstractmethod
    def stop(self) -> None:
        """End all workers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def make_executor(
    kind: str,
    *,
    db_url: str,
    ray_address: str | None = None,
    slots: int | None = None,
    measure: MeasureOptions = MeasureOptions(),
) -> Executor:
    """Make an executor of a `kind`: ``"ray"`` or ``"inprocess"``."""
    if kind == "inprocess":
        return InProcessExecutor(db_url, measure)
    if kind == "ray":
        return RayExecutor(db_url, measure, address=ray_address, slots=slots)
    raise ExecutorError(f"unknown executor {kind!r}; known are ray, inprocess")


def requeue_orphans(store: Store) -> int:
    """Give back the jobs of this host's workers that are no longer running.

    Their leases would run out by themselves; a restarted command need not wait for that.
    """
    orphans = [w for w in store.workers() if w.host == host_name() and not is_alive(w.pid)]
    return sum(store.retire_worker(w.id, "its process is gone") for w in orphans)


class InProcessExecutor(Executor):
    """One worker on a thread of this process."""

    def __init__(self, db_url: str, measure: MeasureOptions) -> None:
        self._db_url, self._measure = db_url, measure
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def start(self, campaign_id: int) -> None:
        """See `Executor.start`."""
        with open_store(self._db_url, create=False) as store:
            requeue_orphans(store)
        self._thread = threading.Thread(target=self._serve, args=(campaign_id,), daemon=True)
        self._thread.start()

    def _serve(self, campaign_id: int) -> None:
        from workers import serve_campaign

        try:
            with open_store(self._db_url, create=False) as store:
                serve_campaign(
                    store,
                    campaign_id,
                    archs=runnable_archs(store),
                    measure=self._measure,
                    should_stop=self._stopping.is_set,
                )
        except BaseException as error:  # Reported by poll, in the caller's thread.
            self._error = error

    def poll(self) -> None:
        """See `Executor.poll`."""
        if self._error is not None:
            raise ExecutorError(f"the worker ended: {self._error}") from self._error

    def stop(self) -> None:
        """See `Executor.stop`."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()


class RayExecutor(Executor):
    """One actor per measuring slot, on this machine or on a cluster.

    Parameters
    ----------
    address
        Of a running cluster; None starts Ray on this machine.
    slots
        Measuring cores; None takes every second core of this machine, the others build.
    """

    #: Times that dead actors are replaced before the campaign is given up.
    REPLACEMENTS = 3

    def __init__(
        self, db_url: str, measure: MeasureOptions, *, address: str | None, slots: int | None
    ) -> None:
        self._db_url, self._measure, self._address = db_url, measure, address
        self._cores = sorted(os.sched_getaffinity(0), reverse=True)
        self._slots = slots or max(1, len(self._cores) // 2)
        self._actors: dict[Any, tuple[int, Any]] = {}
        self._replaced = 0
        self._campaign = 0
        self._archs: list[str] = []

    def start(self, campaign_id: int) -> None:
        """See `Executor.start`."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        # Ray sees no accelerator here, and must not hide any from its workers.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        try:
            ray.init(
                address=self._address,
                num_cpus=None if self._address else self._slots,
                include_dashboard=None if self._address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, RuntimeError, OSError) as error:
            raise ExecutorError(
                f"Ray cannot be reached at {self._address or 'this machine'}: {error}"
            ) from error
        self._campaign = campaign_id
        with open_store(self._db_url, create=False) as store:
            requeue_orphans(store)
            self._archs = runnable_archs(store)
        for slot in range(self._slots):
            self._launch(slot)

    def _launch(self, slot: int) -> None:
        from workers.actor import remote_worker

        core = self._cores[slot] if slot < len(self._cores) else None
        actor = (
            remote_worker()
            .options(num_cpus=1)
            .remote(self._db_url, dataclasses.replace(self._measure, core=core))
        )
        self._actors[actor.serve.remote(self._campaign, self._archs)] = (slot, actor)

    def poll(self) -> None:
        """See `Executor.poll`."""
        import ray

        ready, _ = ray.wait(list(self._actors), num_returns=len(self._actors), timeout=0)
        for ref in ready:
            slot, _ = self._actors.pop(ref)
            try:
                ray.get(ref)
            except ray.exceptions.RayError as error:
                self._replace(slot, error)
        with open_store(self._db_url, create=False) as store:
            store.expire_leases()
            if not self._actors and store.campaign_progress(self._campaign).unfinished:
                self._replace(0, None)

    def _replace(self, slot: int, error: Exception | None) -> None:
        if self._replaced >= self.REPLACEMENTS:
            reason = str(error).splitlines()[-1] if error else "jobs are left that nobody takes"
            raise ExecutorError(
                f"the workers died {self._replaced + 1} times ({reason}); what was measured is "
                "stored: run the same command again to go on"
            )
        self._replaced += 1
        with open_store(self._db_url, create=False) as store:
            requeue_orphans(store)
        self._launch(slot)

    def stop(self) -> None:
        """See `Executor.stop`."""
        import ray

        for _, actor in self._actors.values():
            ray.kill(actor)
        self._actors.clear()
        if ray.is_initialized():
            ray.shutdown()


def runnable_archs(store: Store) -> list[str]:
    """Architectures of the database whose kernels this host can run."""
    from tuner.arch import host_arch, runs_on

    return [a.name for a in store.archs() if runs_on(a, host_arch())]
