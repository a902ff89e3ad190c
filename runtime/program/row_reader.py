"""Reads off a scheduled function how it runs over the rows of its batch."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from math import prod

import tvm
from tvm import s_tir, tirx
from tvm.tirx.buffer import is_buffer_var
from tvm_ffi import structural_map, structural_visit

from tuner.graph.rewrite import fixed

_PREFETCH = "tirx.prefetch"
#: Calls that may read or write what nothing here can follow.
_OPAQUE = ("address_of", "tvm_access_ptr", "call_extern", "call_packed", "tvm_call_packed")


def prefetches(call: tvm.ir.Call) -> bool:
    """True for a prefetch."""
    return str(getattr(call.op, "name", "")) == _PREFETCH


def clamped(load: tvm.ir.TensorLoad, batch: int, rows: tirx.Var) -> tvm.ir.TensorLoad | None:
    """A read that prefetches make ahead, kept within `rows`; None if it is none of theirs.

    It ends at the last row, or at the last element counted through all rows.
    """
    shape, indices = load.source.ty.shape, list(load.indices)
    if fixed(shape[0]) != batch or any(fixed(d) is None for d in shape):
        return None
    at = 0 if isinstance(indices[0], tirx.Min) else len(indices) - 1
    index = indices[at]
    per_row = 1 if at == 0 else prod(int(d) for d in shape[1:])
    if not isinstance(index, tirx.Min) or fixed(index.b) != batch * per_row - 1:
        return None
    if any(fixed(i) != 0 for i in indices[:at]):
        return None
    last = rows.astype(index.b.ty.dtype) * per_row - 1
    indices[at] = tirx.min(index.a, last)
    return tirx.BufferLoad(load.source, indices)


@dataclass(slots=True)
class _Touched:
    """Where a buffer is read or written: the loops around each place, the outermost first."""

    places: list[tuple[tirx.For, ...]] = field(default_factory=list)
    written: list[tuple[tirx.For, ...]] = field(default_factory=list)


class RowReader:
    """Follows a scheduled function, and notes how it runs over rows."""

    def __init__(self, func: tirx.PrimFunc, batch: int, with_rows: Set[int]) -> None:
        self._func, self._batch = func, batch
        self._params = {p: i in with_rows for i, p in enumerate(func.params)}
        #: By loop variable: how many rows an iteration computes.
        self.row_loops: dict[tirx.Var, int] = {}
        self._loops: list[tirx.For] = []
        self._bound: dict[tirx.Var, tvm.ir.Expr] = {}
        self._touched: dict[tirx.Var, _Touched] = {}
        #: Temporaries that have no rows.
        self._plain: set[tirx.Var] = set()
        #: Loops around each place that touches rows.
        self._by_row: list[tuple[tirx.For, ...]] = []
        self._analyzer = tvm.sym.Analyzer()
        self._failed = not all(map(is_buffer_var, func.params))

    def independent(self) -> bool:
        """True if each row is computed from its own row of what has rows."""
        structural_visit(
            self._func.body,
            [
                (tirx.For, self._loop),
                (s_tir.SBlockRealize, self._realize),
                (tvm.ir.TensorLoad, self._load),
                (tirx.BufferStore, self._store),
                (tvm.ir.Call, self._call),
                (tirx.DeclBuffer, self._view),
            ],
        )
        if self._failed or not self.row_loops:
            return False
        once = all(self._around(loops) == 1 for loops in self._by_row)
        return once and all(map(self._kept_apart, self._touched))

    def _loop(self, loop: tirx.For, visitor: object) -> None:
        extent = fixed(loop.extent)
        if extent is not None and fixed(loop.min) == 0:
            self._analyzer.bind(loop.loop_var, tvm.ir.Range(loop.min, loop.extent))
        self._loops.append(loop)
        visitor.default_visit(loop)  # type: ignore[attr-defined]
        self._loops.pop()

    def _realize(self, realize: s_tir.SBlockRealize, visitor: object) -> None:
        for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True):
            self._bound[axis.var] = self._in_loops(value)
        block = realize.block
        if block.match_buffers:
            self._failed = True
        # What a block says it reads and writes is what its statements do, less exactly.
        for part in (realize.predicate, block.init, block.body):
            if part is not None:
                visitor.visit(part)  # type: ignore[attr-defined]

    def _load(self, load: tvm.ir.TensorLoad, visitor: object) -> None:
        self._touch(load.source, load.indices)
        visitor.default_visit(load)  # type: ignore[attr-defined]

    def _store(self, store: tirx.BufferStore, visitor: object) -> None:
        self._touch(store.buffer, store.indices)
        self._touched.setdefault(store.buffer, _Touched()).written.append(tuple(self._loops))
        visitor.default_visit(store)  # type: ignore[attr-defined]

    def _call(self, call: tvm.ir.Call, visitor: object) -> None:
        name = str(getattr(call.op, "name", ""))
        if name.removeprefix("tirx.") in _OPAQUE:
            self._failed = True
        if name != _PREFETCH:
            visitor.default_visit(call)  # type: ignore[attr-defined]
            return
        rows = tirx.Var("rows", "int64")

        def ahead(load: tvm.ir.TensorLoad, inner: object) -> None:
            if clamped(load, self._batch, rows) is None:
                self._touch(load.source, load.indices)
                inner.default_visit(load)  # type: ignore[attr-defined]

        structural_visit(call, (tvm.ir.TensorLoad, ahead))

    def _view(self, *_: object) -> None:
        self._failed = True

    def _touch(self, buffer: tirx.Var, indices: Sequence[tvm.ir.Expr]) -> None:
        loops = tuple(self._loops)
        self._touched.setdefault(buffer, _Touched()).places.append(loops)
        if not self._has_rows(buffer):
            return
        row = self._analyzer.simplify(self._in_loops(indices[0]))
        for loop in reversed(self._loops):
            step = self._step(loop, row)
            if step:
                self.row_loops[loop.loop_var] = step
                self._by_row.append(loops)
                return
        if buffer in self._params:
            self._failed = True
        # A temporary may be as long as the batch by chance.
        self._plain.add(buffer)

    def _step(self, loop: tirx.For, row: tvm.ir.Expr) -> int:
        """Rows that one iteration of `loop` computes, if `row` is one of them; else 0."""
        extent = fixed(loop.extent) or 0
        if extent < 2 or fixed(loop.min) != 0 or self._batch % extent:
            return 0
        if int(loop.kind) != tirx.ForKind.SERIAL or "x" in str(row.ty.dtype):
            return 0
        step = self._batch // extent
        known = self.row_loops.get(loop.loop_var)
        if known is not None and known != step:
            return 0
        of_row = tirx.floordiv(row, tirx.IntImm(row.ty.dtype, step))
        is_it = self._analyzer.can_prove_equal(of_row, loop.loop_var)
        return step if is_it else 0

    def _has_rows(self, buffer: tirx.Var) -> bool:
        shape = buffer.ty.shape
        if buffer in self._plain or not self._params.get(buffer, True) or not len(shape):
            return False
        return fixed(shape[0]) == self._batch

    def _in_loops(self, expr: tvm.ir.Expr) -> tvm.ir.Expr:
        return structural_map(expr, (tvm.ir.Var, lambda v: self._bound.get(v, v)))

    def _around(self, loops: Sequence[tirx.For]) -> int:
        """How many loops over rows are among `loops`."""
        return sum(loop.loop_var in self.row_loops for loop in loops)

    def _kept_apart(self, buffer: tirx.Var) -> bool:
        """True if no row leaves anything for another one in `buffer`."""
        if self._has_rows(buffer):
            return True
        touched = self._touched[buffer]
        if buffer in self._params:
            return not touched.written
        if not any(map(self._around, touched.written)):
            return True
        # Within one loop over rows that nothing is around, rows come one after the other anyway.
        around = {loops[0].loop_var if loops else None for loops in touched.places}
        return len(around) == 1 and around <= set(self.row_loops)
