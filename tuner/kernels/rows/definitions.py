"""The blocks of an unscheduled function as definitions of its buffers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import tvm
import tvm_ffi
from tvm import tirx
from tvm_ffi import structural_equal, structural_map

#: TVM's expressions carry no types.
Expr: TypeAlias = Any

#: ``IterVar.CommReduce`` of TVM.
_REDUCE = 2
#: Calls that cost about as much as an addition.
_CHEAP = frozenset(
    ("prim.if_then_else", "prim.likely", "tirx.fabs", "tirx.sqrt", "tirx.reinterpret")
)


class NotRowwise(Exception):
    """A function does not go row by row; the text says why."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One block: ``buffer[indices] = value`` for all of its axes."""

    buffer: tvm.ir.Var
    #: Axes of the result, in the order of the block, and how long they are.
    axes: tuple[tuple[tvm.ir.Var, Expr], ...]
    #: Axes that are reduced.
    reduced: tuple[tuple[tvm.ir.Var, int], ...]
    indices: tuple[Expr, ...]
    #: What is stored, or what is reduced.
    value: Expr
    #: Node that combines two values; None if nothing is reduced.
    combine: type | None = None
    #: What a reduction starts from.
    identity: Expr = None

    def bind(self, indices: list[Expr]) -> dict[tvm.ir.Var, Expr]:
        """The axes, where the buffer is read at `indices`."""
        bound: dict[tvm.ir.Var, Expr] = {}
        for own, index in zip(self.indices, indices, strict=True):
            for axis, _ in self.axes:
                if mentions(own, axis):
                    offset = tvm.sym.Analyzer().simplify(own - axis)
                    if not isinstance(offset, tirx.IntImm):
                        raise NotRowwise(f"{own} is written to")
                    bound[axis] = index - offset if int(offset) else index
        for axis, extent in self.axes:
            if axis not in bound:
                if not is_one(extent):
                    raise NotRowwise(f"an axis of {extent} is not stored")
                bound[axis] = tirx.const(0, axis.ty.dtype)
        return bound

    @property
    def counts(self) -> bool:
        """True if combining a value twice is not the same as once."""
        return self.combine in (tirx.Add, tirx.Mul)

    @property
    def is_expensive(self) -> bool:
        """True if a value takes more than additions and moves."""
        found: list[str] = []
        tvm_ffi.structural_walk(
            self.value, (tvm.ir.Call, lambda c: found.append(str(getattr(c.op, "name", "?"))))
        )
        return any(name not in _CHEAP for name in found)

    @property
    def is_plain(self) -> bool:
        """True if the value is read, or a number."""
        return isinstance(self.value, (tvm.ir.TensorLoad, tirx.FloatImm, tirx.IntImm))


def definitions(func: tirx.PrimFunc) -> dict[tvm.ir.Var, list[Definition]]:
    """What each buffer of a function holds, for all but its inputs.

    Raises
    ------
    NotRowwise
        If a block is no single store of one element.
    """
    blocks: list[tvm.s_tir.SBlock] = []
    tvm_ffi.structural_walk(func.body, (tvm.s_tir.SBlock, blocks.append))
    found: dict[tvm.ir.Var, list[Definition]] = {}
    for block in blocks:
        if str(block.name_hint) != "root":
            definition = _definition(block)
            found.setdefault(definition.buffer, []).append(definition)
    if not found:
        raise NotRowwise("there are no blocks")
    return found


def _definition(block: tvm.s_tir.SBlock) -> Definition:
    store = block.body
    if not isinstance(store, tirx.BufferStore):
        raise NotRowwise(f"block {block.name_hint} is opaque")
    axes = tuple((v.var, v.dom.extent) for v in block.iter_vars if int(v.iter_type) != _REDUCE)
    reduced = [(v.var, v.dom.extent) for v in block.iter_vars if int(v.iter_type) == _REDUCE]
    indices = tuple(store.indices)
    if block.init is None:
        if reduced:
            raise NotRowwise(f"block {block.name_hint} has no start")
        return Definition(store.buffer, axes, (), indices, store.value)
    if any(not isinstance(extent, tirx.IntImm) for _, extent in reduced):
        raise NotRowwise("what is reduced has an open length")
    combine, value = _combined(store)
    return Definition(
        store.buffer,
        axes,
        tuple((v, int(e)) for v, e in reduced),
        indices,
        value,
        combine,
        block.init.value,
    )


def _combined(store: tirx.BufferStore) -> tuple[type, Expr]:
    """How a reduction combines, and what."""
    value = store.value
    if not isinstance(value, (tirx.Add, tirx.Max, tirx.Min, tirx.Mul)):
        raise NotRowwise(f"{type(value).__name__} is reduced by")
    own = tirx.BufferLoad(store.buffer, store.indices)
    for one, other in ((value.a, value.b), (value.b, value.a)):
        if structural_equal(one, own):
            return type(value), other
    raise NotRowwise("a reduction does not read its own result")


def reads(found: dict[tvm.ir.Var, list[Definition]]) -> Counter[tvm.ir.Var]:
    """How often each buffer is named in the values of others."""
    count: Counter[tvm.ir.Var] = Counter()
    for group in found.values():
        for definition in group:
            for load in loads(definition.value):
                count[load.source] += 1
    return count


def loads(expr: Expr) -> list[tvm.ir.TensorLoad]:
    """Everything that an expression reads."""
    found: list[tvm.ir.TensorLoad] = []
    tvm_ffi.structural_walk(expr, (tvm.ir.TensorLoad, found.append))
    return found


def mentions(expr: Expr, variable: tvm.ir.Var) -> bool:
    """True if an expression depends on a variable."""
    found: list[tvm.ir.Var] = []
    tvm_ffi.structural_walk(expr, (tvm.ir.Var, found.append))
    return any(v.same_as(variable) for v in found)


def substituted(expr: Expr, values: dict[tvm.ir.Var, Expr]) -> Expr:
    """An expression with variables replaced."""
    return structural_map(expr, (tvm.ir.Var, lambda v: values.get(v, v))) if values else expr


def step_of(buffer: tvm.ir.Var, indices: Sequence[Expr], variable: tvm.ir.Var) -> int | None:
    """How many elements further a buffer is read, or written, for a step of a variable.

    None if that is no fixed number.
    """
    analyzer, one = tvm.sym.Analyzer(), tirx.const(1, variable.ty.dtype)
    total, stride = 0, 1
    for index, extent in zip(reversed(indices), reversed(list(buffer.ty.shape)), strict=True):
        later = substituted(index, {variable: variable + one})
        step = analyzer.simplify(later - index)
        if not isinstance(step, tirx.IntImm):
            return None
        total += int(step) * stride
        # The first extent may be open: nothing lies before it.
        stride *= int(extent) if isinstance(extent, tirx.IntImm) else 0
    return total


def is_one(extent: Expr) -> bool:
    """True for an axis of one element."""
    return isinstance(extent, tirx.IntImm) and int(extent) == 1
