"""The functions a bucket is called through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import tvm
from tvm import tirx

from runtime.program.graph import Graph, Source, Value
from runtime.program.kernels import Kernel, address, lower
from runtime.program.memory import aligned

#: Bytes at the start of the arena where checks leave their verdict.
STATUS_BYTES = 64
#: What `SCORE` returns if a row number is outside its table; nothing has been computed then.
OUTSIDE = 1
#: What both return if the arena is too small, or ``start`` is outside of the batch.
MISUSED = 2

#: Exported names.
SCORE, KERNELS = "score", "kernels"


@dataclass(frozen=True, slots=True)
class StagedInput:
    """One input of the model, and its place in the arena."""

    name: str
    dtype: str
    #: Extents behind the batch, or all of them if the input is not batched.
    shape: tuple[int, ...]
    batched: bool
    #: Offset in the arena, in bytes.
    offset: int
    #: Name of the function that checks it, if it holds row numbers.
    check: str | None = None
    #: Position of the limits of its row numbers among the constants.
    limits: int | None = None

    @property
    def count(self) -> int:
        """Elements of one example, or of the whole input."""
        return prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets in the arena, in bytes."""

    inputs: tuple[StagedInput, ...]
    activations: tuple[int, ...]
    #: Of the temporaries, which all kernels share.
    scratch: int
    #: Bytes of the whole arena.
    size: int


class EntryBuilder:
    """Builds the functions of one bucket."""

    def __init__(
        self, batch: int, graph: Graph, layout: Layout, kernels: Mapping[str, Kernel]
    ) -> None:
        self._batch, self._graph, self._layout, self._kernels = batch, graph, layout, kernels
        self._steps = tvm.ir.GlobalVar("steps")

    def build(self, target: tvm.target.Target) -> tvm.IRModule:
        """Make and lower the module; it calls the kernels by their symbols."""
        functions = {
            self._steps: self._build_steps(),
            tvm.ir.GlobalVar(SCORE): self._build_score().with_attr("global_symbol", SCORE),
            tvm.ir.GlobalVar(KERNELS): self._build_kernels().with_attr("global_symbol", KERNELS),
        }
        return lower(tvm.IRModule(functions), target)

    def _build_steps(self) -> tirx.PrimFunc:
        """``steps(weights, arena, address of input...)`` calls the kernels in order."""
        params = [address("void", n) for n in ("weights", "arena")]
        inputs = [address("void", f"input_{i}") for i in range(len(self._layout.inputs))]
        weights = _table("weight_at", params[0])

        def at(value: Value) -> tvm.ir.Expr:
            if value.source is Source.INPUT:
                return inputs[value.index]
            if value.source is Source.ACTIVATION:
                return _behind(params[1], self._layout.activations[value.index])
            first = 0 if value.source is Source.WEIGHT else self._graph.weights
            return _pointer(weights.buffer[first + value.index])

        body: list[tirx.Stmt] = [weights]
        for step in self._graph.steps:
            kernel = self._kernels[step.kernel]
            arguments = [at(value) for value in step.arguments]
            if kernel.step:
                arguments.append(_i64(self._batch))
            offset = self._layout.scratch
            for size in kernel.scratch:
                arguments.append(_behind(params[1], offset))
                offset += aligned(size)
            body.append(self._call(step.kernel, arguments))
        return _function([*params, *inputs], body)

    def _build_score(self) -> tirx.PrimFunc:
        """``score(input..., weights, arena, output..., start)`` scores one piece.

        The outputs have as many rows as the batched inputs; rows from ``start`` on are computed,
        as many as the bucket holds.
        """
        batch, start = tirx.Var("batch", "int64"), tirx.Var("start", "int64")
        inputs = [
            _anywhere([batch, *i.shape] if i.batched else list(i.shape), i.dtype, i.name)
            for i in self._layout.inputs
        ]
        outputs = [
            _anywhere([batch, *o.shape[1:]], o.dtype, f"output_{n}")
            for n, o in enumerate(self._graph.outputs)
        ]
        weights, arena = tables = _tables()
        base, rows = _address(arena), tirx.Var("rows", "int64")
        body: list[tirx.Stmt] = [
            _require(tirx.all(start >= 0, start < batch)),
            _require(arena.ty.shape[0] >= self._layout.size),
            tirx.Bind(rows, tirx.min(batch - start, _i64(self._batch))),
        ]
        status = tirx.decl_buffer([1], "int32", name="status")
        body += [
            tirx.DeclBuffer(status, data=_typed(base, "int32")),
            tirx.BufferStore(status, tirx.IntImm("int32", 0), [0]),
        ]
        addresses = []
        for buffer, staged in zip(inputs, self._layout.inputs, strict=True):
            stmts, at = self._stage(buffer, staged, base, start, rows, weights)
            body += stmts
            addresses.append(at)
        failed = tirx.Return(tirx.IntImm("int32", OUTSIDE))
        body.append(tirx.IfThenElse(status[0] != 0, failed, None))
        first = [_address(weights), base]
        body.append(tirx.Evaluate(tvm.ir.Call(self._steps, [*first, *addresses], ret_ty="void")))
        for output, buffer in zip(self._graph.outputs, outputs, strict=True):
            row = prod(output.shape[1:]) * np.dtype(output.dtype).itemsize
            to = _behind(_address(buffer), start * row)
            body.append(_copy(to, self._result(output.value, base, addresses, first), rows * row))
        return _function([*inputs, *tables, *outputs, start], body, returns=True)

    def _build_kernels(self) -> tirx.PrimFunc:
        """``kernels(weights, arena)`` runs the kernels on what `SCORE` left staged."""
        weights, arena = tables = _tables()
        base = _address(arena)
        inputs = [_behind(base, i.offset) for i in self._layout.inputs]
        arguments = [_address(weights), base, *inputs]
        call = tirx.Evaluate(tvm.ir.Call(self._steps, arguments, ret_ty="void"))
        enough = _require(arena.ty.shape[0] >= self._layout.size)
        return _function(list(tables), [enough, call], returns=True)

    def _stage(
        self,
        buffer: tirx.Var,
        staged: StagedInput,
        base: tirx.Var,
        start: tirx.Var,
        rows: tirx.Var,
        weights: tirx.Var,
    ) -> tuple[list[tirx.Stmt], tvm.ir.Expr]:
        """Bring one input where kernels may read it; returns how, and where that is."""
        to = _behind(base, staged.offset)
        row = staged.count * staged.itemsize
        source = _address(buffer)
        if staged.batched:
            source = _behind(source, start * row)
        body: list[tirx.Stmt] = []
        count = rows if staged.batched else _i64(1)
        body.append(_copy(to, source, count * row))
        if staged.check is not None:
            limits = (
                to
                if staged.limits is None
                else _pointer(weights[self._graph.weights + staged.limits])
            )
            body.append(self._call(staged.check, [to, limits, count, base]))
        if staged.batched:
            missing = (_i64(self._batch) - rows) * row
            end = _behind(to, rows * row)
            # Rows of padding: all zero, which is a row of every table.
            zero = tirx.call_extern("handle", "memset", end, 0, missing)
            body.append(tirx.IfThenElse(missing > 0, tirx.Evaluate(zero), None))
        return body, to

    def _result(
        self,
        value: Value,
        base: tirx.Var,
        inputs: Sequence[tvm.ir.Expr],
        tables: Sequence[tvm.ir.Expr],
    ) -> tvm.ir.Expr:
        if value.source is Source.ACTIVATION:
            return _behind(base, self._layout.activations[value.index])
        if value.source is Source.INPUT:
            return inputs[value.index]
        raise AssertionError(f"an output is a {value.source.value}")

    def _call(self, name: str, arguments: list[tvm.ir.Expr]) -> tirx.Stmt:
        return tirx.Evaluate(tirx.call_extern("void", self._kernels[name].symbol, *arguments))


def _anywhere(shape: list[int | tirx.Var], dtype: str, name: str) -> tirx.Var:
    """A caller's tensor, which starts wherever the caller's allocator put it."""
    itemsize = np.dtype(dtype).itemsize
    return tirx.decl_buffer(shape, dtype, name=name, data_alignment=itemsize)


def _tables() -> tuple[tirx.Var, tirx.Var]:
    """Addresses of weights and constants, and the arena, of any length."""
    return tuple(
        tirx.decl_buffer([tirx.Var(f"{name}_size", "int64")], dtype, name=name)
        for name, dtype in (("weights", "uint64"), ("arena", "uint8"))
    )


def _table(name: str, at: tirx.Var) -> tirx.DeclBuffer:
    size = tirx.IntImm("int64", 1 << 20)
    return tirx.DeclBuffer(tirx.decl_buffer([size], "uint64", name=name), data=_typed(at, "uint64"))


def _function(
    params: Sequence[tirx.Var], body: list[tirx.Stmt], *, returns: bool = False
) -> tirx.PrimFunc:
    if returns:
        body = [*body, tirx.Return(tirx.IntImm("int32", 0))]
    kind = tvm.ir.PrimType("int32") if returns else None
    func = tirx.PrimFunc(params, tirx.SeqStmt(body), kind).with_attr("s_tir", True)
    # What kernels write is nothing that is reached by another parameter meanwhile.
    return func.with_attr("tirx.noalias", True)


def _address(buffer: tirx.Var) -> tvm.ir.Expr:
    return tirx.address_of(buffer[(_i64(0),) * len(buffer.ty.shape)])


def _behind(at: tvm.ir.Expr, nbytes: int | tvm.ir.Expr) -> tvm.ir.Expr:
    return tirx.handle_add_byte_offset(at, _i64(nbytes) if isinstance(nbytes, int) else nbytes)


def _pointer(number: tvm.ir.Expr) -> tvm.ir.Expr:
    return tirx.reinterpret("handle", number)


def _typed(at: tvm.ir.Expr, dtype: str) -> tvm.ir.Expr:
    return tirx.reinterpret(tvm.ir.PointerType(tvm.ir.PrimType(dtype)), at)


def _copy(to: tvm.ir.Expr, source: tvm.ir.Expr, nbytes: tvm.ir.Expr) -> tirx.Stmt:
    return tirx.Evaluate(tirx.call_extern("handle", "memcpy", to, source, nbytes))


def _require(condition: tvm.ir.Expr) -> tirx.Stmt:
    failed = tirx.Return(tirx.IntImm("int32", MISUSED))
    return tirx.IfThenElse(tirx.Not(condition), failed, None)


def _i64(value: int) -> tirx.IntImm:
    return tirx.IntImm("int64", value)
