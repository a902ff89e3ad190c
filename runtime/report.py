"""Which kernels serve a model, and where each came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One workload of one bucket."""

    #: Digest of the workload.
    workload: str
    #: One line for people.
    name: str
    op_kind: str
    #: Calls per inference.
    calls: int
    #: ``"record"`` (of this CPU architecture), ``"compatible"`` (of another one whose instructions
    #: this one has), ``"neighbour"`` (the configuration of the nearest tuned batch) or
    #: ``"default"`` (the template's default schedule).
    served_by: str
    #: Names its schedule among all of the workload; empty for the default.
    schedule: str = ""
    #: Why it is not served by a record, if there was one; else empty.
    reason: str = ""
    #: CPU architecture that its schedule was measured on; empty for a default.
    arch: str = ""
    #: Seconds per call that the record was measured at; None for a default.
    expected_secs: float | None = None
    #: Seconds per call of the default schedule when the record was made.
    default_secs: float | None = None
    strategy: str | None = None
    #: When the record became the best, ISO 8601.
    recorded_at: str | None = None


@dataclass(frozen=True, slots=True)
class BucketReport:
    """One bucket of a model."""

    batch: int
    kernels: Sequence[KernelReport]
    #: Time to schedule and compile it, in seconds.
    compile_secs: float
    #: Why Relax's virtual machine runs it, call by call; empty if it is one compiled function.
    machine: str = ""
    #: True if its code came from the disk cache.
    cached: bool = False

    @property
    def from_records(self) -> int:
        """Kernels served by a record of this CPU architecture."""
        return sum(k.served_by == "record" for k in self.kernels)

    @property
    def served_by(self) -> Counter[str]:
        """Kernels by where their schedules came from."""
        return Counter(k.served_by for k in self.kernels)


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A loaded model."""

    source: str
    arch: str
    toolchain: str
    #: Those that are ready.
    buckets: Sequence[BucketReport]
    #: Batch sizes that are still to be compiled; meanwhile other buckets serve theirs, or code that
    #: takes any batch.
    pending: Sequence[int] = ()
    #: Why buckets could not be compiled, by batch size.
    failed: Mapping[int, str] = field(default_factory=dict)
    #: Calls so far by batch size, about: threads may overwrite each other's count.
    calls: Mapping[int, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain containers, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.source} on {self.arch}"]
        for bucket in self.buckets:
            lines.append(
                f"  batch {bucket.batch}: "
                + ", ".join(f"{n} kernels by {kind}" for kind, n in bucket.served_by.items())
                + (", from disk" if bucket.cached else f", compiled in {bucket.compile_secs:.1f} s")
                + (f", on the virtual machine: {bucket.machine}" if bucket.machine else "")
            )
            for k in bucket.kernels:
                secs = "" if k.expected_secs is None else f"{k.expected_secs * 1e6:10.1f} µs"
                times = f" x{k.calls}" if k.calls > 1 else ""
                reason = f" ({k.reason})" if k.reason else ""
                reason += f" ({k.arch})" if k.served_by == "compatible" else ""
                lines.append(f"    {k.served_by:10}{secs:14} {k.name}{times}{reason}")
        if self.pending:
            lines.append(f"  still compiling: batch {', '.join(map(str, self.pending))}")
        lines += [f"  batch {batch} failed: {why}" for batch, why in self.failed.items()]
        return "\n".join(lines)
