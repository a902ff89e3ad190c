"""Buckets that only Relax's virtual machine can run: those whose shapes or kernels stay open."""

from __future__ import annotations

import functools
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm
import tvm_ffi
from tvm import relax

from runtime.inputs import InputChecker
from runtime.program.link import link_files, load_library
from runtime.threads import BUILDING
from runtime.timing import Run
from runtime.weights import PackedWeights
from tuner.importers import InputSpec

#: Kernels read whole registers of this many bytes.
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class MachineCode:
    """A compiled bucket as bytes: what is kept on disk."""

    #: None for code that takes any batch.
    batch: int | None
    #: A shared library.
    library: bytes
    #: Why it is no `runtime.program.Program`.
    reason: str

    def load(self, check: InputChecker) -> VirtualMachines:
        """Make it callable in this process."""
        return VirtualMachines(self.batch, load_library(self.library), check, self.reason)


def build_machine(
    mod: tvm.IRModule, batch: int | None, target: tvm.target.Target, reason: str
) -> MachineCode:
    """Compile a bucket's module, its kernels scheduled already."""
    with BUILDING:
        executable = tvm.compile(relax.transform.BundleModelParams()(mod), target=target)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.so"
        executable.export_library(str(path), fcompile=link_files)
        return MachineCode(batch, path.read_bytes(), reason)


class VirtualMachines:
    """One bucket's virtual machines, one per thread.

    Parameters
    ----------
    batch
        Rows that it takes; None for any number.
    executable
        Its ``main`` takes the inputs and then one tuple of all packed weights.
    reason
        Why the bucket is no `runtime.program.Program`.
    """

    def __init__(
        self, batch: int | None, executable: tvm.runtime.Module, check: InputChecker, reason: str
    ) -> None:
        self.batch, self.reason = batch, reason
        self._executable, self._check = executable, check
        self._local = threading.local()

    def bind(self, weights: PackedWeights) -> Run:
        """What scores some rows with these weights; see `runtime.timing.Run`."""
        return functools.partial(self._run, weights)

    def _run(
        self,
        weights: PackedWeights,
        arrays: Sequence[np.ndarray],
        start: int,
        rows: int,
        outputs: Sequence[np.ndarray],
    ) -> None:
        machine = self._machine()
        cut = [self._cut(arrays, i, start, rows) for i in range(len(arrays))]
        # Rows of padding read row 0 of a table, or are empty bags.
        ends = {at: cut[into].shape[0] for into, at in self._check.cut_by.items()}
        tensors = [machine.stage(i, array, ends.get(i)) for i, array in enumerate(cut)]
        result = machine.main(*tensors, weights.bundle)
        results = [result] if isinstance(result, tvm.runtime.Tensor) else list(result)
        for output, tensor in zip(outputs, results, strict=True):
            output[start : start + rows] = np.from_dlpack(tensor)[:rows]

    def _cut(self, arrays: Sequence[np.ndarray], i: int, start: int, rows: int) -> np.ndarray:
        """Rows of one input; lists of indices and their offsets are cut to match."""
        spec, array = self._check.specs[i], arrays[i]
        if i in self._check.cut_by:
            offsets = arrays[self._check.cut_by[i]]
            begin, end = _span(offsets, start, rows, array.shape[0])
            return array[begin:end]
        if i in self._check.cut_by.values():
            part = array[start : start + rows + (0 if spec.batched else 1)]
            shifted: np.ndarray = part - part[0]
            return shifted
        return array[start : start + rows] if spec.batched else array

    def _machine(self) -> _Machine:
        machine: _Machine | None = getattr(self._local, "machine", None)
        if machine is None:
            machine = _Machine(self.batch, self._executable, self._check.specs)
            self._local.machine = machine
        return machine


def _span(offsets: np.ndarray, start: int, rows: int, count: int) -> tuple[int, int]:
    stop = start + rows
    return int(offsets[start]), int(offsets[stop]) if stop < len(offsets) else count


class _Machine:
    """One thread's virtual machine for one bucket, with aligned room for padded inputs."""

    def __init__(
        self, batch: int | None, executable: tvm.runtime.Module, specs: Sequence[InputSpec]
    ) -> None:
        self._batch = batch
        self._specs = specs
        self.main = relax.VirtualMachine(executable, tvm.cpu())["main"]
        self._staging: dict[int, tuple[tvm.runtime.Tensor, np.ndarray]] = {}

    def stage(self, i: int, array: np.ndarray, end: int | None) -> tvm.runtime.Tensor:
        """Hand an input to the kernels: as it is if it is whole and aligned, else a padded copy.

        Parameters
        ----------
        end
            For offsets, where the last bag ends; None for everything else.
        """
        spec = self._specs[i]
        extra = 0 if spec.batched else 1
        padded = spec.batched or end is not None
        shape = array.shape
        if padded and self._batch is not None:
            shape = (self._batch + extra, *array.shape[1:])
        if array.shape == shape and array.ctypes.data % _ALIGNMENT == 0:
            return tvm_ffi.from_dlpack(array)
        held = self._staging.get(i)
        if held is None or held[1].shape != shape:
            tensor = tvm.runtime.empty(shape, spec.dtype)
            held = self._staging[i] = (tensor, np.from_dlpack(tensor))
        tensor, view = held
        view[: array.shape[0]] = array
        view[array.shape[0] :] = 0 if end is None else end
        return tensor
