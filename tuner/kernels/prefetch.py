"""Software prefetches: rows that a loop will look up later are asked for now.

A table is read at random, so that no hardware prefetcher sees the next row coming, and the reads
that wait in a core's buffers are too few to fill the memory's latency. A loop annotated with
`PREFETCH` asks for the rows of its gathers some iterations ahead.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import prod

import tvm
import tvm_ffi
from tvm import tirx
from tvm.s_tir import Schedule
from tvm.s_tir.schedule import LoopRV
from tvm_ffi import structural_equal, structural_map, structural_walk

#: Annotation of a loop: a `Prefetch` as JSON text.
PREFETCH = "tunefleet.prefetch"
#: Bytes that one prefetch brings.
_CACHE_LINE = 64
_READ, _DATA = 0, 1


@dataclass(frozen=True, slots=True)
class Prefetch:
    """What a loop asks for ahead of time."""

    #: How far ahead, counted along `axis`.
    ahead: int
    #: Which cache level the rows go to: 3 the first, 2 the second, 1 the third; 0 past them all.
    level: int
    #: ``"rows"`` counts indices in the order of memory, ``"bags"`` along their first axis.
    axis: str

    def annotate(self, sch: Schedule, loop: LoopRV) -> None:
        """Have `insert_prefetches` prefetch in `loop`."""
        sch.annotate(loop, PREFETCH, json.dumps(asdict(self), sort_keys=True))


def insert_prefetches(mod: tvm.IRModule) -> tvm.IRModule:
    """Put prefetches at the head of each annotated loop of ``main``."""
    func = mod["main"]
    body = structural_map(func.body, (tirx.For, _with_prefetches))
    return tvm.IRModule({"main": func.with_body(body)})


def _with_prefetches(loop: tirx.For) -> tirx.For:
    if PREFETCH not in loop.annotations:
        return loop
    what = Prefetch(**json.loads(str(loop.annotations[PREFETCH])))
    calls = [call for table, row in _gathers(loop.body) for call in _prefetches(table, row, what)]
    return headed(loop, calls, PREFETCH)


def headed(loop: tirx.For, calls: list[tirx.Stmt], annotation: str) -> tirx.For:
    """A loop whose body begins with `calls`, less the annotation that asked for them."""
    return tirx.For(
        loop.loop_var,
        loop.min,
        loop.extent,
        loop.kind,
        tirx.SeqStmt([*calls, loop.body]) if calls else loop.body,
        loop.thread_binding,
        {k: v for k, v in loop.annotations.items() if k != annotation},
    )


def bindings(body: tirx.Stmt) -> dict[tvm.ir.Var, tvm.ir.Expr]:
    """Axes of the blocks in `body`, in terms of the loops."""
    bound: dict[tvm.ir.Var, tvm.ir.Expr] = {}

    def bind(realize: tvm.s_tir.SBlockRealize) -> None:
        bound.update(
            (axis.var, value)
            for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True)
        )

    structural_walk(body, (tvm.s_tir.SBlockRealize, bind))
    return bound


def prefetch_call(source: tvm.ir.Var, indices: list[tvm.ir.Expr], level: int) -> tirx.Stmt:
    """Ask for the cache line of one element."""
    address = tirx.call_intrin("handle", "tirx.address_of", tirx.BufferLoad(source, indices))
    return tirx.Evaluate(tirx.call_intrin("void", "tirx.prefetch", address, _READ, level, _DATA))


def _gathers(body: tirx.Stmt) -> list[tuple[tvm.ir.Var, tvm.ir.Expr]]:
    """Tables of two axes and the row that is read of each, in terms of the loops."""
    bound = bindings(body)
    found: list[tuple[tvm.ir.Var, tvm.ir.Expr]] = []

    def note(load: tvm.ir.TensorLoad) -> None:
        if len(load.indices) != 2 or not _loads(load.indices[0]):
            return
        row = structural_map(load.indices[0], (tvm.ir.Var, lambda v: bound.get(v, v)))
        if not any(load.source.same_as(t) and structural_equal(row, r) for t, r in found):
            found.append((load.source, row))

    structural_walk(body, (tvm.ir.TensorLoad, note))
    return found


def _loads(expr: tvm.ir.Expr) -> list[tvm.ir.TensorLoad]:
    found: list[tvm.ir.TensorLoad] = []
    structural_walk(expr, (tvm.ir.TensorLoad, found.append))
    return found


def _prefetches(table: tvm.ir.Var, row: tvm.ir.Expr, what: Prefetch) -> list[tirx.Stmt]:
    """One call for each cache line of the row that is read later."""
    row = structural_map(row, (tvm.ir.TensorLoad, _later(what)))
    width = int(table.ty.shape[1])
    step = max(1, _CACHE_LINE * 8 // tvm_ffi.dtype(str(table.ty.dtype)).bits)
    starts = [*range(0, width, step)]
    if width % step:
        # Such a row may begin within a line, and end in one more.
        starts.append(width - 1)
    return [prefetch_call(table, [row, tirx.const(at, "int64")], what.level) for at in starts]


def _later(what: Prefetch) -> Callable[[tvm.ir.TensorLoad], tvm.ir.Expr]:
    def later(load: tvm.ir.TensorLoad) -> tvm.ir.Expr:
        shape = [int(d) for d in load.source.ty.shape]
        ahead = tirx.const(what.ahead, "int64")
        if what.axis == "bags":
            first = tirx.min(load.indices[0] + ahead, tirx.const(shape[0] - 1, "int64"))
            return tirx.BufferLoad(load.source, [first, *load.indices[1:]])
        flat = tirx.const(0, "int64")
        for index, extent in zip(load.indices, shape, strict=True):
            flat = flat * extent + index
        # Past the end the last row is asked for again, which costs nothing.
        flat = tirx.min(flat + ahead, tirx.const(prod(shape) - 1, "int64"))
        zeros = [tirx.const(0, "int64")] * (len(shape) - 1)
        return tirx.BufferLoad(load.source, [*zeros, flat])

    return later
