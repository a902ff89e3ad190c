"""Reads off a function what it does for one row of its result, as sweeps over columns.

The result is asked for from the end: each buffer that an element needs is replaced by its
definition, so that a chain becomes one expression. A reduction on the way becomes a sweep of its
own before it; a reduction along another axis than the columns becomes a sum in each lane.
Expensive values that several sweeps need, such as the exponentials of a softmax, are kept for the
row.
"""

from __future__ import annotations

from math import prod

import tvm
from tvm import tirx
from tvm_ffi import structural_equal, structural_map

from tuner.kernels.rows.definitions import (
    Definition,
    Expr,
    NotRowwise,
    definitions,
    is_one,
    loads,
    mentions,
    reads,
    step_of,
    substituted,
)
from tuner.kernels.rows.program import Bound, ByRow, Column, Kept, RowProgram, Scope, Sweep

#: Longest expression, in nodes that were put in for one element.
_LONGEST = 2000


def by_row(func: tirx.PrimFunc) -> ByRow | None:
    """Sum up the row program of an unscheduled function; None if it has none."""
    try:
        program = row_program(func)
    except NotRowwise:
        return None
    sweeps = program.sweeps
    widest = max(s.extent for s in sweeps)
    if program.flat:
        widest = prod(int(d) for d in program.output.ty.shape)
    return ByRow(
        widest,
        reduces=any(s.reduction is not None for s in sweeps),
        columns=max(len(s.columns) for s in sweeps),
    )


def row_program(func: tirx.PrimFunc) -> RowProgram:
    """Read the program of an unscheduled function.

    Raises
    ------
    NotRowwise
        If it has none.
    """
    found = definitions(func)
    output = func.params[-1]
    if output not in found or not found[output][0].axes:
        raise NotRowwise("the last parameter is no result with axes")
    for buffer in (*func.params, *found):
        if not hasattr(buffer.ty, "shape"):
            raise NotRowwise("a parameter is no buffer")
        if any(not isinstance(d, tirx.IntImm) for d in list(buffer.ty.shape)[1:]):
            raise NotRowwise("an axis besides the first is open")
    try:
        return _Reader(found, output).along_columns()
    except NotRowwise:
        # The columns of the result may be rows of what is read, as in a sum along the last axis.
        return _Reader(found, output).by_element()


class _Cut(Exception):
    """A sweep has to end at a column, where another definition begins."""

    def __init__(self, column: int) -> None:
        self.column = column


class _Reader:
    def __init__(self, found: dict[tvm.ir.Var, list[Definition]], output: tvm.ir.Var) -> None:
        self._found, self._output = found, output
        self._reads = reads(found)
        self._dtype = str(found[output][0].axes[0][0].ty.dtype)
        self._sweeps: list[Sweep] = []
        self._rows: list[tuple[tvm.ir.Var, Expr]] = []
        #: Loops of the reductions that are being read.
        self._open: list[tvm.ir.Var] = []
        self._length = 0

    def along_columns(self) -> RowProgram:
        """One lane for each element of the result's last axis."""
        shape = list(self._output.ty.shape)
        at = max((i for i, extent in enumerate(shape) if not is_one(extent)), default=0)
        if not isinstance(shape[at], tirx.IntImm):
            raise NotRowwise("there are no columns of a fixed number")
        place = self._open_rows(shape[:at])
        zeros = [tirx.const(0, self._dtype)] * (len(shape) - at - 1)
        cuts = [0, int(shape[at])]
        while len(cuts) > 1:
            start, end = cuts[:2]
            lane = tirx.Var("column", self._dtype)
            try:
                self._store([*place, lane, *zeros], lane, start, end - start)
                del cuts[0]
            except _Cut as cut:
                cuts.insert(1, cut.column)
        program = RowProgram(self._rows, self._sweeps, self._output)
        program.flat = self._is_flat()
        return program

    def by_element(self) -> RowProgram:
        """The result element by element: lanes are what is reduced."""
        place = self._open_rows(list(self._output.ty.shape))
        self._store(place, None, 0, 1)
        if self._rows and len(self._sweeps) < 2:
            raise NotRowwise("nothing is reduced, and there are no columns")
        return RowProgram(self._rows, self._sweeps, self._output)

    def _open_rows(self, extents: list[Expr]) -> list[Expr]:
        """Loops over axes of the result; returns where they are in it."""
        place: list[Expr] = []
        for extent in extents:
            if is_one(extent):
                place.append(tirx.const(0, self._dtype))
            else:
                place.append(tirx.Var("row", self._dtype))
                self._rows.append((place[-1], extent))
        return place

    def _store(self, place: list[Expr], lane: tvm.ir.Var | None, start: int, extent: int) -> None:
        """The sweep that stores columns ``start .. start + extent - 1``."""
        before = len(self._sweeps)
        sweep = Sweep(lane, start, extent, len(self._rows), target=place)
        try:
            definition, bound = self._part(self._found[self._output], place, sweep)
            sweep.value = self._value(definition, bound, sweep, sweep.scope)
        except _Cut:
            del self._sweeps[before:]
            raise
        self._sweeps.append(sweep)

    def _value(self, definition: Definition, bound: Bound, sweep: Sweep, scope: Scope) -> Expr:
        """A definition at one place, with everything that it reads put in."""
        if definition.reduced and any(extent > 1 for _, extent in definition.reduced):
            return self._reduced(definition, bound, sweep)
        zeros = {v: tirx.const(0, v.ty.dtype) for v, _ in definition.reduced}
        return self._expanded(substituted(definition.value, bound | zeros), sweep, scope)

    def _chosen(self, expr: Expr, sweep: Sweep) -> Expr:
        """Decide what depends on the column alone: TVM's own concatenation chooses for each."""
        if sweep.lane is None:
            return expr
        cuts: list[int] = []
        analyzer = tvm.sym.Analyzer()
        end = tirx.const(sweep.start + sweep.extent, self._dtype)
        begin = tirx.const(sweep.start, self._dtype)
        analyzer.bind(sweep.lane, tvm.ir.Range(begin, end))

        def decided(call: tvm.ir.Call) -> Expr:
            if str(getattr(call.op, "name", "")) != "prim.if_then_else":
                return call
            condition, yes, no = call.args
            if analyzer.can_prove(condition):
                return yes
            if analyzer.can_prove(tirx.Not(condition)):
                return no
            cuts.extend(_threshold(condition, sweep.lane))
            return call

        def lesser(node: tirx.Min) -> Expr:
            # An index that is kept from running over, where it does not.
            proven = analyzer.can_prove(node.a <= node.b)
            return node.a if proven else node

        result = structural_map(expr, [(tvm.ir.Call, decided), (tirx.Min, lesser)])
        inside = [c for c in cuts if sweep.start < c < sweep.start + sweep.extent]
        if inside and sweep.reduction is None:
            raise _Cut(min(inside))
        return result

    def _expanded(self, expr: Expr, sweep: Sweep, scope: Scope) -> Expr:
        expr = self._chosen(expr, sweep)
        self._length += 1
        if self._length > _LONGEST:
            raise NotRowwise("one element needs too much")
        raised: list[Exception] = []

        def replaced(load: tvm.ir.TensorLoad) -> Expr:
            # TVM, which calls this, would turn an exception into one of its own.
            try:
                return load if raised else self._loaded(load, sweep, scope)
            except (NotRowwise, _Cut) as error:
                raised.append(error)
                return load

        result = structural_map(expr, (tvm.ir.TensorLoad, replaced))
        if raised:
            raise raised[0]
        return result

    def _loaded(self, load: tvm.ir.TensorLoad, sweep: Sweep, scope: Scope) -> Expr:
        """What stands for one element of a buffer."""
        group = self._found.get(load.source)
        if group is None:
            return load
        definition, bound = self._part(group, list(load.indices), sweep)
        if definition.is_plain or definition.reduced:
            return self._value(definition, bound, sweep, scope)
        if self._reads[load.source] < 2:
            return self._value(definition, bound, sweep, scope)
        if definition.is_expensive and scope is sweep.scope and self._spans(bound, sweep):
            return self._keep(definition, bound, sweep)
        for known, at, variable in scope.known:
            if known is definition and _same(at, bound):
                return variable
        value = self._value(definition, bound, sweep, scope)
        variable = _fresh(definition.buffer)
        scope.bindings.append((variable, value))
        scope.known.append((definition, bound, variable))
        return variable

    def _part(
        self, group: list[Definition], indices: list[Expr], sweep: Sweep
    ) -> tuple[Definition, Bound]:
        """Which of the definitions of a buffer holds all lanes of a sweep."""
        if len(group) == 1:
            return group[0], group[0].bind(indices)
        for definition in group:
            bound = definition.bind(indices)
            first, last = self._held(definition, bound, sweep)
            if first <= 0 and last >= sweep.extent:
                return definition, bound
            if first <= 0 < last:
                raise _Cut(sweep.start + last)
        raise NotRowwise("a column is in no part")

    def _held(self, definition: Definition, bound: Bound, sweep: Sweep) -> tuple[int, int]:
        """The first lane of a sweep that a definition holds, and the one behind the last."""
        rows = dict(self._rows)
        first, last = 0, sweep.extent
        for axis, extent in definition.axes:
            index = bound[axis]
            if sweep.lane is not None and mentions(index, sweep.lane):
                offset = tvm.sym.Analyzer().simplify(index - sweep.lane)
                if not isinstance(offset, tirx.IntImm):
                    raise NotRowwise("parts are read out of order")
                first = max(first, -int(offset) - sweep.start)
                last = min(last, int(extent) - int(offset) - sweep.start)
            elif isinstance(index, tirx.IntImm):
                if not 0 <= int(index) < int(extent):
                    return 0, 0
            elif not structural_equal(rows.get(index), extent):
                raise NotRowwise("parts have different rows")
        return first, last

    def _spans(self, bound: Bound, sweep: Sweep) -> bool:
        """True if a buffer is read at this row, lane by lane from the first to the last."""
        wanted = [v for v, _ in self._rows] + ([] if sweep.lane is None else [sweep.lane])
        places = [i for i in bound.values() if not isinstance(i, tirx.IntImm)]
        whole = sweep.start == 0 and len(places) == len(wanted) and sweep.lane is not None
        return whole and all(p.same_as(w) for p, w in zip(places, wanted, strict=True))

    def _keep(self, definition: Definition, bound: Bound, sweep: Sweep) -> tvm.ir.Var:
        for kept in sweep.kept:
            if kept.definition is definition:
                return kept.result
        kept = Kept(_fresh(definition.buffer), definition)
        kept.value = self._value(definition, bound, sweep, kept.scope)
        sweep.kept.append(kept)
        return kept.result

    def _reduced(self, definition: Definition, bound: Bound, sweep: Sweep) -> tvm.ir.Var:
        places = list(bound.values())
        if any(mentions(p, loop) for p in places for loop in self._open):
            raise NotRowwise("a reduction is made of others")
        if sweep.lane is not None and any(mentions(p, sweep.lane) for p in places):
            return self._in_lanes(definition, bound, sweep)
        return self._over_lanes(definition, bound)

    def _in_lanes(self, definition: Definition, bound: Bound, sweep: Sweep) -> tvm.ir.Var:
        """A reduction of each lane, within a sweep."""
        for column in sweep.columns:
            if column.definition is definition and _same(column.bound, bound):
                return column.result
        if self._level(bound) < len(self._rows):
            raise NotRowwise("a reduction of columns serves several rows")
        inner = {v: _like(v) for v, _ in definition.reduced}
        loops = [(inner[v], e) for v, e in definition.reduced]
        column = Column(_fresh(definition.buffer), definition, bound, loops)
        outer, self._open = self._open, [*self._open, *inner.values()]
        value = substituted(definition.value, bound | inner)
        column.value = self._expanded(value, sweep, column.scope)
        self._open = outer
        for load in loads(column.value):
            if step_of(load.source, load.indices, sweep.lane) not in (0, 1):
                raise NotRowwise("lanes lie apart in memory")
        sweep.columns.append(column)
        return column.result

    def _over_lanes(self, definition: Definition, bound: Bound) -> tvm.ir.Var:
        """A reduction that becomes a sweep of its own, before the one that needs it."""
        for sweep in self._sweeps:
            known = sweep.reduction
            if known and known.definition is definition and _same(known.bound, bound):
                return known.result
        axis, extent = _along_memory(definition)
        inner = {v: _like(v) for v, _ in definition.reduced}
        loops = [(inner[v], e) for v, e in definition.reduced if not v.same_as(axis)]
        column = Column(_fresh(definition.buffer), definition, bound, loops)
        sweep = Sweep(inner[axis], 0, extent, self._level(bound), reduction=column)
        outer, self._open = self._open, [v for v, _ in loops]
        value = substituted(definition.value, bound | inner)
        sweep.value = self._expanded(value, sweep, sweep.scope)
        self._open = outer
        self._sweeps.append(sweep)
        return column.result

    def _level(self, bound: Bound) -> int:
        """How many of the loops over rows a place depends on."""
        needs = [any(mentions(p, row) for p in bound.values()) for row, _ in self._rows]
        level = len(needs) - needs[::-1].index(True) if True in needs else 0
        if not all(needs[:level]):
            raise NotRowwise("a reduction serves several rows")
        return level

    def _is_flat(self) -> bool:
        """True if everything lies in memory as the result does."""
        sweep = self._sweeps[0]
        if len(self._sweeps) > 1 or sweep.columns or not self._rows:
            return False
        shape = list(self._output.ty.shape)
        if any(not isinstance(d, tirx.IntImm) for d in shape):
            return False
        values = [sweep.value, *(v for _, v in sweep.scope.bindings)]
        assert sweep.target is not None
        for load in (load for value in values for load in loads(value)):
            fixed = all(isinstance(i, tirx.IntImm) for i in load.indices)
            alike = structural_equal(load.source.ty.shape, self._output.ty.shape) and all(
                structural_equal(i, t) for i, t in zip(load.indices, sweep.target, strict=True)
            )
            if not fixed and not alike:
                return False
        return True


def _threshold(condition: Expr, lane: tvm.ir.Var) -> list[int]:
    """The column from which on a comparison with a number comes out otherwise."""
    if not isinstance(condition, (tirx.LT, tirx.LE, tirx.GT, tirx.GE)):
        return []
    analyzer = tvm.sym.Analyzer()
    left = analyzer.simplify(lane - condition.a + condition.b)
    right = analyzer.simplify(condition.a - condition.b + lane)
    if isinstance(left, tirx.IntImm):
        return [int(left) + isinstance(condition, (tirx.LE, tirx.GT))]
    if isinstance(right, tirx.IntImm):
        return [int(right) + isinstance(condition, (tirx.LT, tirx.GE))]
    return []


def _along_memory(definition: Definition) -> tuple[tvm.ir.Var, int]:
    """The reduced axis along which what is read lies side by side, else the last one."""
    axes = [(v, e) for v, e in definition.reduced if e > 1]
    for axis, extent in reversed(axes):
        steps = [step_of(r.source, r.indices, axis) for r in loads(definition.value)]
        if 1 in steps:
            return axis, extent
    return axes[-1]


def _same(left: Bound, right: Bound) -> bool:
    """True for the same place."""
    return all(structural_equal(left[axis], right[axis]) for axis in left)


def _like(variable: tvm.ir.Var) -> tvm.ir.Var:
    """Another variable of the same type."""
    return tirx.Var(variable.name, variable.ty.dtype)


def _fresh(buffer: tvm.ir.Var) -> tvm.ir.Var:
    """A variable for one element of a buffer."""
    return tirx.Var(buffer.name, buffer.ty.dtype)
