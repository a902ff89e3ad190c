"""From a bucket's scheduled module to code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from runtime.arenas import ARENAS
from runtime.program.checks import check_function
from runtime.program.contract import contract
from runtime.program.entry import KERNELS, SCORE, STATUS_BYTES, EntryBuilder, Layout, StagedInput
from runtime.program.graph import Graph, NotStraight, Source, read_graph
from runtime.program.kernels import build_kernel, generate
from runtime.program.link import link, load_library
from runtime.program.memory import aligned, plan_memory
from runtime.threads import BUILDING, each
from runtime.weights import PackedWeights, address_table
from tuner.importers import ImportedModel


@dataclass(frozen=True, slots=True)
class ProgramCode:
    """A compiled bucket as bytes: what is kept on disk."""

    batch: int
    #: A shared library; see `runtime.program.link`.
    library: bytes
    #: Arrays that the code reads, beside the weights.
    constants: tuple[np.ndarray, ...]
    #: Bytes of the arena that it needs.
    arena_bytes: int

    def load(self) -> Program:
        """Make it callable in this process."""
        module = load_library(self.library)
        return Program(
            self.batch, module, module[SCORE], module[KERNELS], self.constants, self.arena_bytes
        )


@dataclass(frozen=True, slots=True)
class Program:
    """The code of one bucket, and what it has to be called with."""

    batch: int
    module: tvm.runtime.Module
    #: ``score(input..., weights, arena, output..., start)``; see `EntryBuilder`.
    score: tvm_ffi.Function
    #: ``kernels(weights, arena)``: the same kernels without the rest of a call.
    kernels: tvm_ffi.Function
    #: Arrays that the code reads, beside the weights.
    constants: tuple[np.ndarray, ...]
    #: Bytes of the arena that it needs.
    arena_bytes: int

    def table(self, weights: PackedWeights) -> tvm.runtime.Tensor:
        """What the code reads its weights and constants by; both have to be kept alive."""
        return address_table([*weights.views, *self.constants])

    def run(
        self,
        arrays: Sequence[np.ndarray],
        start: int,
        rows: int,
        weights: PackedWeights,
        outputs: Sequence[np.ndarray],
    ) -> None:
        """Score `rows` rows of checked inputs from `start` on into the same rows of `outputs`."""
        arena = ARENAS.take(self.arena_bytes)
        try:
            status = self.score(*arrays, self.table(weights), arena[0], *outputs, start)
        finally:
            ARENAS.put(arena)
        # The arrays are the runtime's own copies, checked before.
        assert status == 0, f"a checked call of bucket {self.batch} ended with status {status}"


def build_program(
    mod: tvm.IRModule, model: ImportedModel, batch: int, target: tvm.target.Target
) -> ProgramCode:
    """Compile a bucket's module, its kernels scheduled already.

    Raises
    ------
    NotStraight
        If it cannot be laid out beforehand; the virtual machine runs it then.
    tuner.errors.TunerError
        If there is no linker.
    """
    graph = read_graph(mod, len(model.inputs))
    _check_outputs(graph, batch)
    inputs, checks = _stage_inputs(model, graph)
    names = {step.kernel for step in graph.steps}
    funcs = {**{n: mod[n] for n in sorted(names)}, **checks}
    built = each(lambda item: build_kernel(*item, target), funcs.items())
    kernels = dict(zip(funcs, built, strict=True))
    layout = _layout(graph, inputs, batch, {n: k.scratch for n, k in kernels.items()})
    entry = generate(EntryBuilder(batch, graph, layout, kernels).build(target), target)
    said = contract(batch, model, graph, layout.size)
    library = link([entry, *(kernel.code for kernel in kernels.values())], said)
    return ProgramCode(batch, library, tuple(graph.constants), layout.size)


def _check_outputs(graph: Graph, batch: int) -> None:
    for output in graph.outputs:
        if not output.shape or output.shape[0] != batch:
            raise NotStraight("an output has no row for each example")
        if output.value.source not in (Source.ACTIVATION, Source.INPUT):
            raise NotStraight("an output is a weight")


def _stage_inputs(
    model: ImportedModel, graph: Graph
) -> tuple[list[StagedInput], dict[str, tirx.PrimFunc]]:
    limits = {limit.input: limit for limit in model.index_limits}
    staged, checks = [], {}
    for i, spec in enumerate(model.inputs):
        shape = spec.shape[1:] if spec.batched else spec.shape
        if any(isinstance(d, str) for d in shape):
            raise NotStraight(f"input {spec.name} has an open shape")
        extents = tuple(int(d) for d in shape)
        item = StagedInput(spec.name, spec.dtype, extents, spec.batched, 0)
        limit = limits.get(spec.name)
        if limit is not None and limit.offsets_into is not None:
            raise NotStraight(f"input {spec.name} holds offsets")
        if limit is not None:
            whole = (1, *extents) if spec.batched else extents
            rows = np.ascontiguousarray(np.broadcast_to(limit.rows, whole), np.int64).reshape(-1)
            name = f"check_{i}"
            with BUILDING:
                checks[name] = check_function(spec.dtype, rows)
            item = replace(item, check=name)
            if np.unique(rows).size > 1:
                graph.constants.append(rows)
                item = replace(item, limits=len(graph.constants) - 1)
        staged.append(item)
    return staged, checks


def _layout(
    graph: Graph, inputs: list[StagedInput], batch: int, scratch: dict[str, tuple[int, ...]]
) -> Layout:
    end = STATUS_BYTES
    staged = []
    for item in inputs:
        staged.append(replace(item, offset=end))
        end += aligned(prod(item.shape) * item.itemsize * (batch if item.batched else 1))
    offsets, size = plan_memory(graph)
    activations = tuple(end + offset for offset in offsets)
    end += size
    largest = max((sum(map(aligned, sizes)) for sizes in scratch.values()), default=0)
    return Layout(tuple(staged), activations, end, end + largest)
