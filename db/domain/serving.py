"""What serving processes say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: What may serve a kernel, best first: the record of this CPU architecture; the record of another
#: one whose instructions it has; the configuration of a neighbouring batch; the default schedule.
LOOKUP_KINDS = ("record", "compatible", "neighbour", "default")


@dataclass(frozen=True, slots=True)
class ServedBucket:
    """A bucket as a process serves it."""

    #: Batch size.
    bucket: int
    #: Inferences that it had a part in so far.
    calls: int
    #: Kernels by what serves them (`LOOKUP_KINDS`), each as often as an inference calls it.
    kernels: Mapping[str, int]

    def __post_init__(self) -> None:
        if unknown := self.kernels.keys() - set(LOOKUP_KINDS):
            raise ValueError(f"no such lookup: {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class Serving:
    """A graph in a process that serves it."""

    #: A fresh UUID per engine.
    process: str
    #: Host it runs on.
    host: str
    #: SHA-256 (hex) of the graph, weights left out.
    digest: str
    #: Name of the CPU architecture it is compiled for.
    arch: str
    #: Weights that were taken after the first.
    refreshes: int
    #: Buckets that are ready.
    buckets: tuple[ServedBucket, ...]
