"""From a bucket's scheduled module to code."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import tvm
import tvm_ffi

from runtime.arenas import ARENAS
from runtime.program.checks import check_function
from runtime.program.contract import contract
from runtime.program.entry import KERNELS, SCORE, STATUS_BYTES, EntryBuilder, Layout, StagedInput
from runtime.program.graph import Graph, NotStraight, Source, read_graph
from runtime.program.kernels import Kernel, build_kernel, generate
from runtime.program.link import link, load_library
from runtime.program.memory import aligned, plan_memory
from runtime.program.shared import SharedKernels
from runtime.threads import BUILDING, each
from runtime.timing import Run
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

    def bind(self, weights: PackedWeights) -> Run:
        """What scores some rows with these weights; see `runtime.timing.Run`."""
        table = self.table(weights)

        def run(
            arrays: Sequence[np.ndarray], start: int, rows: int, outputs: Sequence[np.ndarray]
        ) -> None:
            arena = ARENAS.take(self.arena_bytes)
            try:
                status = self.score(*arrays, table, arena[0], *outputs, start)
            finally:
                ARENAS.put(arena)
            # The arrays are the runtime's own copies, checked before.
            assert status == 0, f"a checked call of bucket {self.batch} ended with status {status}"

        return run


@dataclass(frozen=True, slots=True)
class Plan:
    """A bucket whose kernels are still to be compiled."""

    batch: int
    model: ImportedModel
    #: The kernels that no workload stands for are compiled from here, as they are.
    mod: tvm.IRModule
    graph: Graph
    inputs: list[StagedInput]
    #: Row numbers that an input may hold, by the name of its check.
    checks: Mapping[str, _Check]

    def with_rows(self, kernel: str) -> frozenset[int]:
        """Positions of a kernel's parameters that are computed from the inputs.

        Of these alone the first extent may be the batch; weights have it by chance.
        """
        computed = (Source.INPUT, Source.ACTIVATION)
        steps = [step for step in self.graph.steps if step.kernel == kernel]
        places = [
            frozenset(i for i, value in enumerate(step.arguments) if value.source in computed)
            for step in steps
        ]
        return frozenset.intersection(*places)

    def build(
        self, kernels: Mapping[str, Kernel], shared: SharedKernels, target: tvm.target.Target
    ) -> ProgramCode:
        """Compile what calls the kernels, and link it with them.

        Parameters
        ----------
        kernels
            Code of the functions that workloads stand for.

        Raises
        ------
        tuner.errors.TunerError
            If there is no linker.
        """
        rest = {step.kernel for step in self.graph.steps} - set(kernels)
        others = each(
            lambda name: build_kernel(f"tunefleet_{name}", self.mod[name], target), sorted(rest)
        )
        known = dict(zip(sorted(rest), others, strict=True)) | dict(kernels)
        for name, check in self.checks.items():
            known[name] = shared.once(check, functools.partial(check.build, target))
        layout = _layout(
            self.graph, self.inputs, self.batch, {n: k.scratch for n, k in known.items()}
        )
        entry = generate(EntryBuilder(self.batch, self.graph, layout, known).build(target), target)
        said = contract(self.batch, self.model, self.graph, layout.size)
        code = {kernel.symbol: kernel.code for kernel in known.values()}
        library = link([entry, *code.values()], said)
        return ProgramCode(self.batch, library, tuple(self.graph.constants), layout.size)


def plan_program(mod: tvm.IRModule, model: ImportedModel, batch: int) -> Plan:
    """Lay a bucket's module out, its kernels scheduled or not.

    Raises
    ------
    NotStraight
        If it cannot be laid out beforehand; the virtual machine runs it then.
    """
    graph = read_graph(mod, len(model.inputs))
    _check_outputs(graph, batch)
    inputs, checks = _stage_inputs(model, graph)
    return Plan(batch, model, mod, graph, inputs, checks)


@dataclass(frozen=True, slots=True)
class _Check:
    """A check of the row numbers in an input; equal for equal code."""

    dtype: str
    #: Rows of the table that each element of an example indexes.
    rows: tuple[int, ...]

    def build(self, target: tvm.target.Target) -> Kernel:
        with BUILDING:
            func = check_function(self.dtype, np.array(self.rows, np.int64))
        name = hashlib.sha256(repr(self).encode()).hexdigest()[:12]
        return build_kernel(f"tunefleet_check_{name}", func, target)


def _check_outputs(graph: Graph, batch: int) -> None:
    for output in graph.outputs:
        if not output.shape or output.shape[0] != batch:
            raise NotStraight("an output has no row for each example")
        if output.value.source not in (Source.ACTIVATION, Source.INPUT):
            raise NotStraight("an output is a weight")


def _stage_inputs(
    model: ImportedModel, graph: Graph
) -> tuple[list[StagedInput], dict[str, _Check]]:
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
            checks[name] = _Check(spec.dtype, tuple(map(int, rows)))
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
