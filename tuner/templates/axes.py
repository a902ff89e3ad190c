"""Which loop runs over which axis of a block, whatever moved the loops before."""

from __future__ import annotations

from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.s_tir import Schedule
from tvm.s_tir.schedule import LoopRV, SBlockRV

#: ``IterVar.CommReduce`` of TVM.
_REDUCE = 2


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop that runs over an axis of a block."""

    loop: LoopRV
    #: True if the block reduces over it.
    reduces: bool
    #: True if consecutive steps write consecutive elements.
    contiguous: bool


def axes_of(sch: Schedule, block: SBlockRV) -> list[Axis]:
    """The loops around a block alone that one of its axes is bound to, from the outermost."""
    stmt = sch.get(block)
    bound = _bindings(sch, block)
    last = _variables(stmt.body.indices[-1]) if _stores_one(stmt) else []
    axes = []
    for loop in _own_loops(sch, block):
        variable = sch.get(loop).loop_var
        for axis, value in zip(stmt.iter_vars, bound, strict=True):
            if any(v.same_as(variable) for v in _variables(value)):
                contiguous = any(v.same_as(axis.var) for v in last)
                axes.append(Axis(loop, int(axis.iter_type) == _REDUCE, contiguous))
                break
    return axes


def row_loop(sch: Schedule, block: SBlockRV) -> LoopRV | None:
    """The innermost loop that picks the row of a table which `block` reads by an index."""
    stmt = sch.get(block)
    rows: list[tvm.ir.Var] = []

    def note(load: tvm.ir.TensorLoad) -> None:
        if len(load.indices) == 2:
            inner: list[tvm.ir.TensorLoad] = []
            tvm_ffi.structural_walk(load.indices[0], (tvm.ir.TensorLoad, inner.append))
            for index in inner:
                rows.extend(v for i in index.indices for v in _variables(i))

    tvm_ffi.structural_walk(stmt.body, (tvm.ir.TensorLoad, note))
    picking = [
        v
        for axis, value in zip(stmt.iter_vars, _bindings(sch, block), strict=True)
        if any(axis.var.same_as(row) for row in rows)
        for v in _variables(value)
    ]
    for loop in reversed(list(sch.get_loops(block))):
        if any(sch.get(loop).loop_var.same_as(v) for v in picking):
            return loop
    return None


def runs_along_memory(sch: Schedule, block: SBlockRV) -> bool:
    """True if what a block reduces lies side by side in memory."""
    stmt = sch.get(block)
    reduced = [v.var for v in stmt.iter_vars if int(v.iter_type) == _REDUCE]
    found: list[bool] = []

    def note(load: tvm.ir.TensorLoad) -> None:
        if len(load.indices) and not load.source.same_as(stmt.body.buffer):
            found.extend(_steps_by_one(load.indices[-1], r) for r in reduced)

    tvm_ffi.structural_walk(stmt.body.value, (tvm.ir.TensorLoad, note))
    return any(found)


def _own_loops(sch: Schedule, block: SBlockRV) -> list[LoopRV]:
    """The loops that run this block and no other one."""
    own: list[LoopRV] = []
    for loop in reversed(list(sch.get_loops(block))):
        if own and not sch.get(loop).body.same_as(sch.get(own[0])):
            break
        own.insert(0, loop)
    return own


def _stores_one(stmt: s_tir.SBlock) -> bool:
    return isinstance(stmt.body, tirx.BufferStore) and len(stmt.body.indices) > 0


def _bindings(sch: Schedule, block: SBlockRV) -> list[tvm.ir.Expr]:
    """What each axis of a block is bound to, in terms of the loops around it."""
    name = sch.get(block).name_hint
    found: list[s_tir.SBlockRealize] = []

    def note(realize: s_tir.SBlockRealize) -> None:
        if realize.block.name_hint == name:
            found.append(realize)

    loops = sch.get_loops(block)
    if not loops:
        return [tirx.const(0, "int64") for _ in sch.get(block).iter_vars]
    tvm_ffi.structural_walk(sch.get(loops[-1]).body, (s_tir.SBlockRealize, note))
    return list(found[0].iter_values)


def _variables(expr: tvm.ir.Expr) -> list[tvm.ir.Var]:
    found: list[tvm.ir.Var] = []
    tvm_ffi.structural_walk(expr, (tvm.ir.Var, found.append))
    return found


def _steps_by_one(index: tvm.ir.Expr, variable: tvm.ir.Var) -> bool:
    places = []
    for value in (0, 1):
        analyzer = tvm.sym.Analyzer()
        analyzer.bind(variable, tirx.const(value, variable.ty.dtype))
        places.append(analyzer.simplify(index))
    step = tvm.sym.Analyzer().simplify(places[1] - places[0])
    return isinstance(step, tirx.IntImm) and int(step) == 1
