"""What a lookup answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from db import CpuArch, Workload
from tuner.workloads import KernelUse

#: Where a schedule came from, best first; ``"default"`` is what is left.
ServedBy = Literal["record", "compatible", "neighbour", "default"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A schedule for one workload.

    In this order: the record of this very CPU architecture; one of another architecture whose
    instructions this one has; the configuration of the nearest tuned batch of the same operator.
    """

    served_by: ServedBy
    #: CPU architecture that it was measured on.
    arch: str
    #: Seconds per call that were measured; None for a neighbour's, measured on another batch.
    expected_secs: float | None
    #: MetaSchedule trace as JSON text, or None for `config`.
    trace: str | None = None
    #: Knobs of the template.
    config: Mapping[str, int] | None = None
    #: Seconds per call of the default schedule when it was measured.
    default_secs: float | None = None
    strategy: str | None = None
    #: When the record became the best, ISO 8601.
    recorded_at: str | None = None
    #: Measurement that it rests on.
    measurement: str | None = None
    #: Names what it was made of, a record or a neighbour's configuration: equal for equal code.
    origin: str = ""


class Lookup(Protocol):
    """Where schedules come from."""

    def __call__(self, uses: Sequence[KernelUse], arch: CpuArch) -> dict[str, Choice]:
        """Best known schedule by digest of the workload; workloads without one are absent."""

    def records(self, workloads: Sequence[Workload], arch: CpuArch) -> dict[str, str]:
        """Origin of each choice that a call would make, by digest: whether code is up to date.

        It works on descriptions alone, their `Workload.tir` may be empty.
        """


def origin_of(schedule: str) -> str:
    """Name of a schedule: the SHA-256 of its text."""
    return hashlib.sha256(schedule.encode()).hexdigest()


class NoRecords:
    """Finds nothing: every kernel gets its default schedule."""

    def __call__(self, uses: Sequence[KernelUse], arch: CpuArch) -> dict[str, Choice]:
        """See `Lookup`."""
        return {}

    def records(self, workloads: Sequence[Workload], arch: CpuArch) -> dict[str, str]:
        """See `Lookup`."""
        return {}
