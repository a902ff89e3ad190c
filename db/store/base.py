"""The contract of the shared log database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from db.domain.catalog import (
    CpuArch,
    ModelVersion,
    StoredModelVersion,
    Task,
    Toolchain,
    Workload,
)
from db.domain.jobs import (
    CampaignProgress,
    CampaignSpec,
    Event,
    Job,
    JobProgress,
    JobSpec,
    Lease,
    Schedule,
    WorkerInfo,
)
from db.domain.measurements import BestRecord, Lesson, Measured, Measurement, Promotion
from db.domain.reports import Change, Sample, Standing, Stats
from db.domain.serving import Serving


class Store(ABC):
    """The fleet's memory, and its only durable state.

    Consistency
        Every method is one transaction: when it returns, what it wrote is committed and is seen
        by every later call of any process; when it raises, nothing of it is there. Methods that
        lost a race or their server are run again inside, and raise only when that did not help.
    Identity
        Catalog rows are named by digest or name. Adding one twice is no error and changes nothing,
        except that a model version remembers its newest source.
    Measurements
        Append-only, identified by ``uid``. Adding one twice stores it once, whoever adds it and
        however late, also after the lease of its job was lost.
    Jobs
        A job is held by at most one live lease. ``renew``, ``finish``, ``fail`` and ``release``
        prove the lease by its token and raise `LeaseLost` once it is another's, or nobody's.
        Repeating one that already succeeded does nothing. Which transitions exist is told by
        ``db.domain.states.TRANSITIONS``; each one that happens leaves an event.
    Unknown names
        Writing about an architecture, toolchain, workload or model that was not added raises
        `NotFound`. Reading about one yields nothing: nobody has tuned for it yet.
    Time
        The database's clock, in UTC. No method believes its caller about what time it is.
    Best records
        Only validated measurements, the fastest per key; readers see the old one or the new one,
        never neither. Every best that was replaced stays in the history.
    Threads and processes
        A store may be used by many threads. It must not cross a fork: open one per process.
    Results
        Plain frozen dataclasses, detached from the database. Lists are in a stated order.
    """

    #: URL of the database, the password masked.
    url: str

    @abstractmethod
    def close(self) -> None:
        """Close every connection; the store is of no use afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Catalog

    @abstractmethod
    def add_arch(self, arch: CpuArch) -> None:
        """Add a CPU architecture."""

    @abstractmethod
    def archs(self) -> list[CpuArch]:
        """Every CPU architecture, by name."""

    @abstractmethod
    def add_toolchain(self, toolchain: Toolchain) -> str:
        """Add a toolchain; return its key."""

    @abstractmethod
    def toolchains(self) -> list[Toolchain]:
        """Every toolchain, the newest first."""

    @abstractmethod
    def add_workloads(self, workloads: Iterable[Workload]) -> None:
        """Add workloads."""

    @abstractmethod
    def workloads(self, digests: Sequence[str]) -> dict[str, Workload]:
        """Workloads by digest; unknown digests are left out."""

    @abstractmethod
    def add_model_version(self, version: ModelVersion) -> int:
        """Add a graph of a model, or note that it was seen again; return its id."""

    @abstractmethod
    def models(self) -> list[StoredModelVersion]:
        """The latest version of each model, by name."""

    @abstractmethod
    def model_version(self, model: str | int) -> StoredModelVersion:
        """A version by its id, or the latest one by the model's name; else `NotFound`."""

    @abstractmethod
    def set_tasks(self, model_version: int, arch: str, bucket: int, tasks: Iterable[Task]) -> None:
        """Replace the tasks of a bucket, adding workloads that are new."""

    @abstractmethod
    def tasks(self, model_version: int, arch: str, bucket: int) -> list[Task]:
        """Tasks of a bucket, the heaviest (weight times calls) first."""

    @abstractmethod
    def buckets(self, model_version: int, arch: str) -> list[int]:
        """Buckets that have tasks, ascending."""

    # Campaigns

    @abstractmethod
    def create_campaign(self, spec: CampaignSpec, jobs: Iterable[JobSpec]) -> int:
        """Create a campaign and queue its jobs; with a ``key`` that exists, return that one."""

    @abstractmethod
    def find_campaign(
        self, model_version: int, archs: Sequence[str], buckets: Sequence[int], strategy: str
    ) -> int | None:
        """Newest unfinished campaign of exactly these jobs: what a restarted command resumes."""

    @abstractmethod
    def campaigns(self, limit: int = 100) -> list[CampaignProgress]:
        """Campaigns, the newest first."""

    @abstractmethod
    def campaign_progress(self, campaign_id: int) -> CampaignProgress:
        """One campaign; `NotFound` if there is none."""

    @abstractmethod
    def job_progress(self, campaign_id: int) -> list[JobProgress]:
        """Jobs of a campaign, in the order they were queued."""

    @abstractmethod
    def cancel_campaign(self, campaign_id: int, reason: str) -> int:
        """Cancel every job that is not final; return how many. Holders lose their leases."""

    @abstractmethod
    def pause_campaign(self, campaign_id: int, reason: str) -> int:
        """Give out none of its jobs until it is resumed; return how many were taken back.

        Jobs that ran are queued again without a failure; their holders lose their leases, and
        what they measured stays.
        """

    @abstractmethod
    def resume_campaign(self, campaign_id: int) -> None:
        """Give out the jobs of a paused campaign again."""

    @abstractmethod
    def find_key(self, key: str) -> int | None:
        """The campaign that was created with a ``key``."""

    @abstractmethod
    def explain(self, campaign_id: int, arch: str, reason: str) -> int:
        """Say why the waiting jobs of an architecture wait; return how many said else before."""

    @abstractmethod
    def put_schedule(self, schedule: Schedule) -> None:
        """Add or replace a schedule by its name."""

    @abstractmethod
    def schedules(self) -> list[Schedule]:
        """Every schedule, by name."""

    @abstractmethod
    def remove_schedule(self, name: str) -> None:
        """Remove a schedule; `NotFound` if there is none."""

    # Jobs

    @abstractmethod
    def now(self) -> datetime:
        """This moment, by the database's clock."""

    @abstractmethod
    def next_claim_in(self, campaign_id: int, archs: Sequence[str]) -> float | None:
        """Seconds until a job of a campaign may become claimable, as far as can be told.

        Zero if one is; ``None`` if none will be: each is final, or the campaign is paused.
        """

    @abstractmethod
    def job_tasks(self, job_id: int) -> list[Task]:
        """The tasks that a job has to tune, the heaviest first.

        Of the jobs of one campaign and architecture that have a workload in common, the one with
        the highest priority, then the oldest, tunes it; its weight counts the uses of all. A job
        that failed or was called off leaves its workloads to the next.
        """

    @abstractmethod
    def job(self, job_id: int) -> Job:
        """One job; `NotFound` if there is none."""

    @abstractmethod
    def job_measurements(self, job_id: int) -> int:
        """Measurements that all attempts of a job stored, failed ones included."""

    @abstractmethod
    def unfinished_archs(self, campaign_id: int) -> dict[str, int]:
        """Jobs of a campaign that are not final, by CPU architecture; only those with any."""

    @abstractmethod
    def claim_job(
        self,
        worker: str,
        *,
        archs: Sequence[str] | None = None,
        lease_s: float = 60.0,
        campaign_id: int | None = None,
    ) -> Lease | None:
        """Take the first claimable job: highest priority, then oldest; ``None`` if there is none.

        When nothing is claimable, expired leases are collected and it looks once more, so a fleet
        recovers even if nobody calls ``expire_leases``.

        Parameters
        ----------
        worker
            Who takes it.
        archs
            Only jobs of these architectures; ``None`` for all.
        lease_s
            Seconds until others may take it, unless renewed.
        campaign_id
            Only jobs of this campaign.
        """

    @abstractmethod
    def renew(self, lease: Lease, lease_s: float = 60.0) -> Lease:
        """Extend a lease to `lease_s` seconds from now."""

    @abstractmethod
    def finish(self, lease: Lease, reason: str = "") -> None:
        """The work is done."""

    @abstractmethod
    def fail(self, lease: Lease, reason: str, retry: bool = True) -> Job:
        """The work failed: queued again after a back-off, quarantined, or failed for good."""

    @abstractmethod
    def release(self, lease: Lease, reason: str = "") -> None:
        """Give the job back unfinished; no failure is counted."""

    @abstractmethod
    def cancel_job(self, job_id: int, reason: str) -> bool:
        """Call a job off; whether it was not final before."""

    @abstractmethod
    def requeue_job(self, job_id: int, reason: str) -> bool:
        """Queue a failed, quarantined or cancelled job again, its failures forgotten."""

    @abstractmethod
    def expire_leases(self) -> int:
        """Move jobs whose lease ran out to lost or quarantined; return how many."""

    @abstractmethod
    def events(self, job_id: int) -> list[Event]:
        """The story of a job, oldest first."""

    # Workers

    @abstractmethod
    def register_worker(self, worker: WorkerInfo) -> None:
        """Announce a worker, or announce it again."""

    @abstractmethod
    def heartbeat(self, worker: str, stats: Mapping[str, float] | None = None) -> str | None:
        """Note that a worker lives, and its figures; return why it is to leave, if it is.

        Raises `NotFound` if it was never registered.
        """

    @abstractmethod
    def drain_workers(self, reason: str, *, worker: str | None = None, host: str = "") -> int:
        """Ask a worker, or all of a host, to leave after the present job; return how many."""

    @abstractmethod
    def retire_worker(self, worker: str, reason: str) -> int:
        """Take a worker's jobs from it, then mark it gone; return how many jobs it held."""

    @abstractmethod
    def workers(self, *, gone: bool = False) -> list[WorkerInfo]:
        """Workers that serve, or with `gone` all there ever were; newest heartbeat first."""

    # Serving

    @abstractmethod
    def note_serving(self, told: Serving) -> None:
        """Note what a process says of a graph that it serves; it replaces what it said before."""

    # Measurements and records

    @abstractmethod
    def add_measurements(self, measurements: Sequence[Measurement]) -> int:
        """Store measurements; return how many were not there yet."""

    @abstractmethod
    def measured(
        self, workload: str, arch: str, toolchain: str, regime: str = "warm"
    ) -> dict[str, Measured]:
        """Everything measured for a key, by candidate."""

    @abstractmethod
    def top_measurements(
        self, workload: str, arch: str, toolchain: str, limit: int, regime: str = "warm"
    ) -> list[Measurement]:
        """The fastest valid measurement of each of the `limit` fastest candidates."""

    @abstractmethod
    def lessons(
        self, op_kind: str, flops: float, *, workloads: int = 64, limit: int = 4096
    ) -> list[Lesson]:
        """Template configurations measured for an operator kind, the newest first.

        Of every architecture, toolchain and regime, failed ones too.

        Parameters
        ----------
        op_kind
            As `Workload.op_kind`.
        flops
            Size of the workload to be tuned.
        workloads
            So many workloads count: those nearest in size of which anything was measured.
        limit
            So many measurements at most.
        """

    @abstractmethod
    def measured_keys(self, arch: str, regime: str = "warm") -> list[tuple[str, str]]:
        """Workloads (digests) measured on an architecture, and with which toolchains (keys)."""

    @abstractmethod
    def promote(self, promotion: Promotion, *, measurements: Sequence[Measurement] = ()) -> bool:
        """Make a validated measurement the best of its key, if it is faster than the best so far.

        Parameters
        ----------
        promotion
            The claim, and how it was validated.
        measurements
            Measurements to store in the same transaction, e.g. the one it rests on.

        Returns
        -------
        bool
            Whether it is the best now.
        """

    @abstractmethod
    def best_records(
        self,
        workloads: Sequence[str] | None,
        arch: str,
        toolchain: str | None,
        regime: str = "warm",
    ) -> dict[str, BestRecord]:
        """Best records by digest, in one query; with no toolchain, the fastest of any.

        Without `workloads`, those of all workloads.
        """

    @abstractmethod
    def lookup(
        self,
        model_version: int,
        bucket: int | None,
        arch: str,
        toolchain: str | None,
        regime: str = "warm",
    ) -> Mapping[str, BestRecord]:
        """Best records of a model version by digest, in one query; all buckets if none is named."""

    @abstractmethod
    def history(
        self, workload: str, arch: str, toolchain: str, regime: str = "warm"
    ) -> list[BestRecord]:
        """Every record that was the best of a key, oldest first; revoked ones are marked."""

    @abstractmethod
    def rollback(
        self, workload: str, arch: str, toolchain: str, reason: str, regime: str = "warm"
    ) -> BestRecord | None:
        """Revoke the best of a key for good; return the fastest of its history that stands in."""

    @abstractmethod
    def standings(
        self, workloads: Sequence[str], arch: str, toolchain: str, regime: str = "warm"
    ) -> dict[str, Standing]:
        """How the best records of workloads did lately, by digest; only of those that have one."""

    # Reports

    @abstractmethod
    def campaign_workloads(self, campaign_id: int) -> set[tuple[str, str]]:
        """What the jobs of a campaign are about: digests and CPU architectures."""

    @abstractmethod
    def slot_seconds(self, campaign_id: int) -> float:
        """Seconds that workers held jobs of a campaign, up to now."""

    @abstractmethod
    def measurement(self, uid: str) -> Measurement:
        """One measurement; `NotFound` if there is none."""

    @abstractmethod
    def samples(self, job_id: int, *, after: int = 0, limit: int = 10_000) -> list[Sample]:
        """Measurements of a job in the order they were stored, from the one after `after` on."""

    @abstractmethod
    def compare(
        self,
        before: datetime,
        after: datetime,
        *,
        arch: str | None = None,
        toolchain_before: str | None = None,
        toolchain_after: str | None = None,
        regime: str = "warm",
    ) -> list[Change]:
        """Best records as of two moments, e.g. the ends of two nights; worst regression first.

        Parameters
        ----------
        before, after
            The moments; a best counts from its promotion until it is beaten or revoked.
        arch
            Only this architecture.
        toolchain_before, toolchain_after
            Only records of this toolchain, to compare one toolchain with the next; ``None`` takes
            the fastest of any.
        regime
            ``warm`` or ``cold``.
        """

    @abstractmethod
    def stats(self) -> Stats:
        """How much there is of everything; counts rows, so it takes a moment."""
