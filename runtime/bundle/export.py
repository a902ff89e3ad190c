"""Writes a model as a bundle."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.bundle.folder import BundleFolder
from runtime.bundle.manifest import (
    ArchEntry,
    ArrayEntry,
    BucketEntry,
    BundleError,
    FileEntry,
    manifest,
    plan_of,
)
from runtime.program import ProgramCode
from runtime.vm import VirtualMachines
from tuner.arch import resolve, toolchain

if TYPE_CHECKING:
    from runtime.compiler import CompiledBucket
    from runtime.model import Model


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    folder: Path
    archs: Sequence[ArchEntry]
    #: Number of the version, rising.
    version: int
    #: Bytes of files that were not there before.
    written: int


def export(
    models: Sequence[Model],
    folder: str | os.PathLike[str],
    *,
    name: str | None = None,
    keep: int = 3,
) -> Exported:
    """Write a loaded model so that it is served without Python; see `runtime.bundle`.

    Parameters
    ----------
    models
        The same model, loaded once for each CPU architecture that the bundle is to serve on.
    folder
        Made if it is not there. Processes that serve from it go on with what they have mapped.
    name
        What clients call the model by; its file's name unless given.
    keep
        Versions to keep, this one included, so that one can go back.

    Raises
    ------
    BundleError
        If a bucket needs TVM's virtual machine, if the models are of different graphs, or if the
        folder holds something else.
    """
    if keep < 1:
        raise BundleError(f"a bundle keeps at least the version that is written, not {keep}")
    for model in models:
        model.wait()
    blueprints = [model.served.version.blueprint for model in models]
    if len({blueprint.model.digest for blueprint in blueprints}) != 1:
        raise BundleError("a bundle holds one model: these are of different graphs")
    with BundleFolder(Path(folder)) as place:
        archs = [_write(place, model) for model in models]
        first = blueprints[0]
        called = name or Path(first.model.source).stem
        text = manifest(called, first.model, first.outputs, archs, toolchain().key)
        version = place.publish(text, keep)
        return Exported(place.path, archs, version, place.written)


def _write(place: BundleFolder, model: Model) -> ArchEntry:
    served = model.served
    pool = _Pool(served.weights.views)
    entries = []
    for batch, bucket in served.buckets.items():
        program = _program(bucket)
        name, digest = place.add("code", ".so", [program.library])
        code = FileEntry(name, len(program.library), digest)
        reads = pool.places(program.constants)
        entries.append(BucketEntry(batch, code, program.arena_bytes, bucket.seconds, reads))
    name, digest = place.add("weights", ".bin", pool.chunks())
    plan, beyond = plan_of({entry.batch: entry.seconds for entry in entries})
    arch = resolve(model.arch)
    return ArchEntry(
        name=arch.name,
        isa_level=arch.isa_level,
        features=sorted(arch.features),
        weights=FileEntry(name, pool.size, digest),
        arrays=pool.entries,
        buckets=entries,
        plan=plan,
        beyond=beyond,
    )


def _program(bucket: CompiledBucket) -> ProgramCode:
    if isinstance(bucket.runner, VirtualMachines):
        raise BundleError(
            f"bucket {bucket.batch} cannot be exported: {bucket.runner.reason}, so that it needs "
            "TVM's virtual machine, which bundles do without; serve this model from Python"
        )
    assert isinstance(bucket.code, ProgramCode)
    return bucket.code


class _Pool:
    """Arrays one after the other, each on a cache line; equal constants lie there once."""

    def __init__(self, weights: Sequence[np.ndarray]) -> None:
        self._arrays = list(weights)
        self._weights = len(self._arrays)
        self._constants: dict[tuple[str, bytes], int] = {}

    def places(self, constants: Sequence[np.ndarray]) -> list[int]:
        """What a bucket reads: all weights, then its constants."""
        found = list(range(self._weights))
        for array in constants:
            key = str(array.dtype), array.tobytes()
            if key not in self._constants:
                self._constants[key] = len(self._arrays)
                self._arrays.append(array)
            found.append(self._constants[key])
        return found

    @property
    def entries(self) -> list[ArrayEntry]:
        """Where each array lies."""
        found, at = [], 0
        for array in self._arrays:
            found.append(ArrayEntry(at, array.nbytes))
            at += _padded(array.nbytes)
        return found

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(_padded(array.nbytes) for array in self._arrays)

    def chunks(self) -> list[memoryview]:
        """The bytes, piece by piece."""
        pieces = []
        for array in self._arrays:
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            pieces += [flat.data, memoryview(bytes(_padded(array.nbytes) - array.nbytes))]
        return pieces


def _padded(nbytes: int) -> int:
    # An empty array has an address of its own, too.
    return max(1, -(-nbytes // _ALIGNMENT)) * _ALIGNMENT


#: Kernels read whole registers, and every array starts on a cache line.
_ALIGNMENT = 64
