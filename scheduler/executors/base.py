"""The seam of execution: who runs the jobs of a campaign."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from db import Store
from scheduler.errors import ExecutorError
from scheduler.policy.breaker import BreakerPolicy, why_break
from workers.host import host_name, is_alive

#: Seconds that the scheduler keeps trying while the database is away.
PATIENCE_S = 600.0

#: When a campaign that fails is paused.
BREAKER = BreakerPolicy()


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


def requeue_orphans(store: Store) -> int:
    """Give back the jobs of this host's workers that are no longer running.

    Their leases would run out by themselves; a restarted command need not wait for that.
    """
    orphans = [w for w in store.workers() if w.host == host_name() and not is_alive(w.pid)]
    return sum(store.retire_worker(w.id, "its process is gone") for w in orphans)


def runnable_archs(store: Store) -> list[str]:
    """Architectures of the database whose kernels this host can run."""
    from tuner.arch import host_arch, runs_on

    return [a.name for a in store.archs() if runs_on(a, host_arch())]


def look_at(store: Store, campaign_id: int) -> int:
    """Unfinished jobs of a campaign that is worked on, once its limits are applied.

    A campaign whose time is up is called off; one that failed too often is paused.

    Raises
    ------
    ExecutorError
        If the campaign is paused.
    """
    progress = store.campaign_progress(campaign_id)
    if progress.ends_at is not None and progress.unfinished and store.now() >= progress.ends_at:
        store.cancel_campaign(campaign_id, "the campaign's time was up")
        return 0
    if progress.paused_reason is not None:
        raise ExecutorError(
            f"campaign {campaign_id} is paused: {progress.paused_reason}; to go on: tunefleet "
            f"campaign resume {campaign_id}, then the same command again"
        )
    failed = sum(progress.errors.values())
    why = why_break(BREAKER, progress.jobs, progress.measurements, failed)
    if why is not None and progress.unfinished:
        store.pause_campaign(campaign_id, f"it fails too often: {why}")
        return look_at(store, campaign_id)
    return progress.unfinished
