"""What a bundle says of itself, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runtime.outputs import OutputSpec
from runtime.plan import EXACT, OPEN, Planner
from runtime.program.contract import describe_inputs, describe_output
from tuner.errors import TunerError
from tuner.importers import ImportedModel

#: Readers refuse a manifest of another schema.
SCHEMA = 1


class BundleError(TunerError):
    """A model that cannot be served without Python, or a folder that is no place for a bundle."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the bundle."""

    #: Name within the bundle's folder.
    file: str
    #: Size in bytes.
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """The code of one batch size."""

    batch: int
    code: FileEntry
    #: Bytes of the arena that a call needs.
    arena_bytes: int
    #: Seconds of one call, as measured by whoever wrote the bundle.
    seconds: float
    #: Arrays that the code reads, in its order: places in `ArchEntry.arrays`.
    reads: Sequence[int]


@dataclass(frozen=True, slots=True)
class ArrayEntry:
    """An array in the file of weights."""

    #: From the start of the file, in bytes; a multiple of 64.
    offset: int
    #: Size in bytes.
    bytes: int


@dataclass(frozen=True, slots=True)
class ArchEntry:
    """What serves on one CPU architecture."""

    name: str
    isa_level: str
    #: LLVM's names of the instruction sets that the code may use beyond those of the level.
    features: Sequence[str]
    weights: FileEntry
    arrays: Sequence[ArrayEntry]
    buckets: Sequence[BucketEntry]
    #: Bucket of the first piece of a batch of 1, 2, ...
    plan: Sequence[int]
    #: Bucket of the first piece of larger batches.
    beyond: int


def plan_of(seconds: Mapping[int, float]) -> tuple[list[int], int]:
    """The planner's answers as a table, so that readers need no planner.

    Parameters
    ----------
    seconds
        Of one call, by bucket.

    Returns
    -------
    Bucket of the first piece of batches from 1 on, and of all batches that are larger.
    """
    planner = Planner(seconds)
    largest = max(seconds)
    table = [planner.pieces(batch)[0][2] for batch in range(1, EXACT * largest + 1)]
    assert OPEN not in table
    return table, planner.pieces((EXACT + 1) * largest)[0][2]


def manifest(
    name: str,
    model: ImportedModel,
    outputs: Sequence[OutputSpec],
    archs: Sequence[ArchEntry],
    toolchain: str,
) -> dict[str, Any]:
    """The manifest of a bundle, ready to be written."""
    return {
        "schema": SCHEMA,
        "model": name,
        "graph": model.digest,
        "toolchain": toolchain,
        "inputs": [
            {"name": spec.name, **said}
            for spec, said in zip(model.inputs, describe_inputs(model), strict=True)
        ],
        "outputs": [
            {"name": f"output_{i}", **describe_output(spec.tail, spec.dtype)}
            for i, spec in enumerate(outputs)
        ],
        "archs": [asdict(arch) for arch in archs],
    }
