"""What is tuned, for what, and with what: architectures, toolchains, workloads, models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class CpuArch:
    """A CPU generation that kernels are tuned for."""

    #: LLVM cpu name, e.g. ``znver4`` or ``skylake-avx512``.
    name: str
    #: ISA level the name belongs to, e.g. ``x86-64-v4`` (avx512) or ``x86-64-v3`` (avx2).
    isa_level: str
    #: LLVM feature names that decide code generation.
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What turns a trace into machine code; records of one toolchain are not those of another."""

    #: TVM version.
    tvm: str
    #: LLVM version.
    llvm: str
    #: Version of our schedule templates.
    templates: str

    @property
    def key(self) -> str:
        """First 16 hex digits of the SHA-256 of the three versions."""
        # As JSON, so that no two triples have the same text.
        text = json.dumps([self.tvm, self.llvm, self.templates])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Workload:
    """One fused function to be tuned."""

    #: SHA-256 (hex) of the normalised function.
    digest: str
    #: Kind of operator, e.g. ``dense`` or ``embedding_bag``.
    op_kind: str
    #: One line for people.
    name: str
    #: Shapes of the arguments; anything JSON holds (tuples come back as lists).
    shapes: Any
    #: Element type, e.g. ``float32``.
    dtype: str
    #: Floating point operations of one call.
    flops: float
    #: Bytes read and written by one call, each counted once.
    bytes: float
    #: The function as TVM's JSON text.
    tir: str


@dataclass(frozen=True, slots=True)
class Task:
    """A workload as it occurs in one bucket of one model version."""

    #: The workload.
    workload: Workload
    #: How often one inference calls it.
    calls: int
    #: Importance of one call in the tuning budget.
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One graph of a model; refreshed weights of the same graph are the same version."""

    #: Name of the model.
    model: str
    #: SHA-256 (hex) of the graph, weights left out.
    digest: str
    #: Path or address as it was given.
    source: str
    #: Names, shapes and dtypes of the inputs.
    input_schema: Mapping[str, Any] = field(default_factory=dict)
    #: Share of the traffic per batch bucket; the keys are the buckets to tune by default.
    traffic: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredModelVersion:
    """A model version as the database holds it."""

    #: Identifier of the version.
    id: int
    #: Name of the model.
    model: str
    #: SHA-256 (hex) of the graph.
    digest: str
    #: Path or address as it was given last.
    source: str
    #: Names, shapes and dtypes of the inputs.
    input_schema: Mapping[str, Any]
    #: Share of the traffic per batch bucket.
    traffic: Mapping[int, float]
    #: First time this graph was added.
    added_at: datetime
    #: Last time it was added; the newest of a model's versions is its latest.
    seen_at: datetime
