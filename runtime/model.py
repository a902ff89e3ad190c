"""A loaded model: called with any batch, by any number of threads, refreshed while it serves."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import relax

from runtime.compiler import CompiledBucket
from runtime.errors import RefreshError
from runtime.inputs import InputChecker, random_inputs
from runtime.plan import plan
from runtime.report import ModelReport
from runtime.weights import PackedWeights, WeightSchema
from tuner.importers import ImportedModel, InputSpec, read_weights

#: Kernels read whole registers of this many bytes.
_ALIGNMENT = 64


class Model:
    """Scores inputs; made by `runtime.Engine.load`.

    Threads: calls run side by side, each thread on its own virtual machines; weights are shared.
    A refresh swaps the weights at once: a call works on the set it started with.
    """

    def __init__(
        self,
        imported: ImportedModel,
        schema: WeightSchema,
        weights: PackedWeights,
        buckets: Sequence[CompiledBucket],
        *,
        arch: str,
        toolchain: str,
    ) -> None:
        self._imported = imported
        self._schema = schema
        self._weights = weights
        self._buckets = {b.batch: b for b in sorted(buckets, key=lambda b: b.batch)}
        self._sizes = tuple(self._buckets)
        self._check = InputChecker(imported)
        self._local = threading.local()
        self._arch, self._toolchain = arch, toolchain

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        """Names, dtypes and shapes of the inputs, in order."""
        return self._imported.inputs

    @property
    def buckets(self) -> tuple[int, ...]:
        """Batch sizes with kernels of their own, rising."""
        return self._sizes

    @property
    def parameters(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of each weight that `refresh` takes, by name."""
        return dict(self._schema.expected)

    @property
    def weight_bytes(self) -> int:
        """Memory that the packed weights take, in bytes."""
        return self._weights.nbytes

    def __call__(self, *inputs: Any) -> Any:
        """Score a batch of any size.

        Parameters
        ----------
        inputs
            numpy arrays, or anything with ``__dlpack__`` on the CPU, as `input_specs` lists them.

        Returns
        -------
        A numpy array of the caller's own; a tuple of them if the model has several outputs.

        Raises
        ------
        InputError
            If they are not inputs of this model; nothing has been computed then.
        """
        arrays, batch = self._check(inputs)
        weights = self._weights
        pieces = plan(batch, self._sizes)
        if len(pieces) == 1:
            outputs = self._run(arrays, *pieces[0], weights)
        else:
            parts = [self._run(arrays, *piece, weights) for piece in pieces]
            outputs = [np.concatenate(p) for p in zip(*parts, strict=True)]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def refresh(self, source: Any) -> None:
        """Take new weights for the same graph; nothing is compiled.

        Parameters
        ----------
        source
            Path of a model file, an ExportedProgram, or a mapping of weights by name; a mapping
            may hold only those that changed.

        Raises
        ------
        RefreshError
            If they do not fit; the old weights serve on.
        """
        weights, graph = read_weights(source)
        mine = self._imported.fingerprint
        if None not in (graph, mine) and graph != mine:
            raise RefreshError(f"{source} has another graph; load it as a new model")
        partial = isinstance(source, Mapping)
        self._weights = self._schema.pack(weights, self._weights if partial else None)

    def report(self) -> ModelReport:
        """Which record serves which kernel."""
        return ModelReport(
            source=self._imported.source,
            arch=self._arch,
            toolchain=self._toolchain,
            buckets=tuple(b.report for b in self._buckets.values()),
        )

    def random_inputs(self, batch: int, seed: int = 0) -> list[np.ndarray]:
        """Inputs that the model accepts, for trying it out."""
        return random_inputs(self._imported, batch, seed)

    def _run(
        self, arrays: list[np.ndarray], start: int, rows: int, bucket: int, weights: PackedWeights
    ) -> list[np.ndarray]:
        """Run one piece of a batch on one bucket's kernels."""
        machine = self._machine(bucket)
        cut = [self._cut(arrays, i, start, rows) for i in range(len(arrays))]
        # Rows of padding read row 0 of a table, or are empty bags.
        ends = {at: cut[into].shape[0] for into, at in self._check.cut_by.items()}
        tensors = [machine.stage(i, array, ends.get(i)) for i, array in enumerate(cut)]
        result = machine.main(*tensors, weights.bundle)
        outputs = [result] if isinstance(result, tvm.runtime.Tensor) else list(result)
        return [np.from_dlpack(t)[:rows].copy() for t in outputs]

    def _cut(self, arrays: list[np.ndarray], i: int, start: int, rows: int) -> np.ndarray:
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

    def _machine(self, bucket: int) -> _Machine:
        machines: dict[int, _Machine] = self._local.__dict__.setdefault("machines", {})
        machine = machines.get(bucket)
        if machine is None:
            machine = machines[bucket] = _Machine(self._buckets[bucket], self._imported.inputs)
        return machine


def _span(offsets: np.ndarray, start: int, rows: int, count: int) -> tuple[int, int]:
    stop = start + rows
    return int(offsets[start]), int(offsets[stop]) if stop < len(offsets) else count


class _Machine:
    """One thread's virtual machine for one bucket, with aligned room for padded inputs."""

    def __init__(self, bucket: CompiledBucket, specs: Sequence[InputSpec]) -> None:
        self._batch = bucket.batch
        self._specs = specs
        self.main = relax.VirtualMachine(bucket.executable, tvm.cpu())["main"]
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
        shape = (self._batch + extra, *array.shape[1:]) if padded else array.shape
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
