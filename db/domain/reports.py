"""What is read to see how things went: samples of a job, two nights side by side, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement as a point of a convergence curve."""

    #: Grows with time; pass the last one seen to read on from there.
    id: int
    #: When it was stored.
    at: datetime
    #: Identity of the measurement.
    uid: str
    #: Digest of the workload.
    workload: str
    #: SHA-256 (hex) of the candidate.
    candidate: str
    #: Strategy that proposed it.
    strategy: str
    #: Attempt of the job.
    attempt: int
    #: Median seconds per call; ``None`` on error.
    median: float | None
    #: Why there is no latency.
    error_kind: str | None


@dataclass(frozen=True, slots=True)
class BestAt:
    """The best record of a workload as of a moment."""

    #: Confirmed median, in seconds.
    run_secs: float
    #: Strategy that found it.
    strategy: str
    #: Key of the toolchain.
    toolchain: str
    #: The measurement it rests on.
    measurement_uid: str


@dataclass(frozen=True, slots=True)
class Change:
    """One workload on one architecture at two moments."""

    #: Digest of the workload.
    workload: str
    #: Name of the workload, for people.
    name: str
    #: Name of the CPU architecture.
    arch: str
    #: The best at the first moment; ``None`` if it had none.
    before: BestAt | None
    #: The best at the second moment; ``None`` if it was rolled back to nothing.
    after: BestAt | None

    @property
    def speedup(self) -> float | None:
        """How many times faster it became; below 1 is a regression, ``None`` if one is missing."""
        if self.before is None or self.after is None:
            return None
        return self.before.run_secs / self.after.run_secs


@dataclass(frozen=True, slots=True)
class Look:
    """One time that a best record's candidate was measured."""

    #: Median seconds per call.
    secs: float
    #: Interquartile range over the median.
    spread: float
    #: Speed of the host at that moment.
    calibration: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a best record did lately on the host that it was found on."""

    #: Name of the host.
    host: str
    #: Its last two measurements there, the newest first; the one it rests on is among them if
    #: there was no or one other.
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """How much there is of everything."""

    #: URL of the database, the password masked.
    url: str
    #: Revision of the schema.
    revision: str
    #: Bytes on disk.
    size: int
    #: Rows per table.
    rows: Mapping[str, int]
    #: Jobs per state; only states that occur.
    jobs: Mapping[str, int]
    #: Best records per architecture.
    best_records: Mapping[str, int]
    #: When the first and the last measurement was stored.
    first_measured_at: datetime | None
    #: See `first_measured_at`.
    last_measured_at: datetime | None
