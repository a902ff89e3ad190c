"""Writes a row program out in vectors.

A sweep goes over whole vectors, several side by side, each with an accumulator of its own. What is
left over at the end of a row is no loop of single elements: one more vector is laid so that it ends
with the row. It computes some columns again, which changes nothing; where a sum must not count them
twice, they are replaced by zeros. Rows narrower than a vector take vectors of half the width, a
quarter, and so on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod

import tvm
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir
from tvm_ffi import structural_map

from tuner.kernels.rows.definitions import Definition, Expr, substituted
from tuner.kernels.rows.program import Column, Kept, RowProgram, Scope, Sweep
from tuner.kernels.rows.read import row_program


@dataclass(frozen=True, slots=True)
class _Cut:
    """How the columns of a sweep are cut into vectors."""

    lanes: int
    #: Whole vectors, how many of them side by side, and columns behind them.
    whole: int
    abreast: int
    left: int

    @staticmethod
    def of(columns: int, config: Mapping[str, int]) -> _Cut:
        lanes = config["lanes"]
        while lanes > columns:
            lanes //= 2
        whole, left = divmod(columns, lanes)
        return _Cut(lanes, whole, min(config["unroll"], whole), left)


@dataclass(frozen=True, slots=True)
class _Vector:
    """One vector of a sweep."""

    #: Its first column, and its place in buffers of the row.
    column: Expr
    place: Expr
    #: First of its own accumulators.
    slot: int = 0
    #: Lanes at its start that another vector has already counted.
    again: int = 0
    #: Its row, if several rows are computed at a time.
    row: Expr = None


def write_rows(func: tirx.PrimFunc, config: Mapping[str, int]) -> tirx.PrimFunc:
    """Write a function out.

    Parameters
    ----------
    config
        ``lanes`` of a vector, and ``unroll``: vectors side by side. ``rows``, if given: rows that
        are computed at a time, where nothing is reduced along them.

    Raises
    ------
    NotRowwise
        If it does not go row by row.
    """
    program = row_program(func)
    with IRBuilder() as builder, tir.prim_func(s_tir=True):
        tir.func_name("main")
        buffers = {
            p: tir.arg(p.name, tir.buffer(list(p.ty.shape), str(p.ty.dtype))) for p in func.params
        }
        with tir.sblock("root"):
            _Writer(program, buffers, config).write()
    return builder.get()


class _Writer:
    def __init__(
        self, program: RowProgram, buffers: dict[tvm.ir.Var, Expr], config: Mapping[str, int]
    ) -> None:
        self._program, self._config = program, config
        alone = len(program.sweeps) == 1 and program.sweeps[0].reduction is None
        self._abreast = config.get("rows", 1) if alone and program.rows else 1
        #: Rows that are computed at a time; none of their own if they come one by one.
        self._tile: list[Expr] = [None]
        #: What stands for each variable of the program so far.
        self._values: dict[tvm.ir.Var, Expr] = dict(buffers)
        #: Accumulators of each reduction.
        self._sums: dict[int, Expr] = {}
        #: What several sweeps read of a row, by definition, and which of it has been computed.
        self._rows: dict[int, Expr] = {}
        self._computed: set[int] = set()
        uses = Counter(id(k.definition) for s in program.sweeps for k in s.kept)
        for sweep in program.sweeps:
            self._allocate(sweep, {key for key, count in uses.items() if count > 1})

    def _allocate(self, sweep: Sweep, shared: set[int]) -> None:
        cut = _Cut.of(sweep.extent, self._config)
        for column in (*sweep.columns, *([sweep.reduction] if sweep.reduction else [])):
            size = self._abreast * cut.abreast * cut.lanes
            self._sums[id(column)] = _buffer(size, column.definition)
        for kept in sweep.kept:
            if id(kept.definition) in shared - self._rows.keys():
                vectors = cut.whole + (cut.left > 0)
                self._rows[id(kept.definition)] = _buffer(vectors * cut.lanes, kept.definition)

    def write(self) -> None:
        if self._program.flat:
            self._flatten()
        rows = self._program.rows
        with ExitStack() as loops:
            for level in range(len(rows) + 1):
                for sweep in self._program.sweeps:
                    if sweep.level == level:
                        self._sweep(sweep)
                if level == len(rows) - 1 and self._abreast > 1:
                    self._tiles(int(rows[level][1]))
                    return
                if level < len(rows):
                    row, extent = rows[level]
                    self._values[row] = loops.enter_context(tir.serial(extent))

    def _tiles(self, rows: int) -> None:
        """The only sweep, for several rows at a time; what is left of them is a smaller tile."""
        (sweep,), dtype = self._program.sweeps, self._program.rows[-1][0].ty.dtype
        tiles, left = divmod(rows, self._abreast)
        if tiles:
            with tir.serial(tirx.const(tiles, dtype)) as tile:
                self._tile = [tile * self._abreast + i for i in range(self._abreast)]
                self._sweep(sweep)
        if left:
            first = tiles * self._abreast
            self._tile = [tirx.const(first + i, dtype) for i in range(left)]
            self._sweep(sweep)

    def _flatten(self) -> None:
        """Make one long row of all rows: nothing that is read lies otherwise than the result."""
        (sweep,) = self._program.sweeps
        assert sweep.target is not None
        count = prod(int(d) for d in self._program.output.ty.shape)
        views = {
            old: tir.decl_buffer((count,), str(new.ty.dtype), data=new.data)
            for old, new in self._values.items()
            if prod(int(d) for d in new.ty.shape) == count
        }

        def viewed(expr: Expr) -> Expr:
            return structural_map(
                expr,
                (
                    tvm.ir.TensorLoad,
                    lambda load: (
                        tirx.BufferLoad(views[load.source], [sweep.lane])
                        if load.source in views
                        else load
                    ),
                ),
            )

        sweep.value = viewed(sweep.value)
        sweep.scope.bindings = [(v, viewed(e)) for v, e in sweep.scope.bindings]
        for kept in sweep.kept:
            kept.value = viewed(kept.value)
            kept.scope.bindings = [(v, viewed(e)) for v, e in kept.scope.bindings]
        sweep.target, sweep.extent, sweep.level = [sweep.lane], count, 0
        self._program.rows = []
        self._values[self._program.output] = views[self._program.output]

    def _sweep(self, sweep: Sweep) -> None:
        cut = _Cut.of(sweep.extent, self._config)
        total = sweep.reduction
        if total is None:
            self._vectors(sweep, cut)
        else:
            self._start(total, cut, cut.abreast)
            with self._loops(total):
                self._vectors(sweep, cut)
            self._values[total.result] = self._total(total, cut)
        self._computed |= {id(kept.definition) for kept in sweep.kept}

    def _vectors(self, sweep: Sweep, cut: _Cut) -> None:
        """All vectors of a sweep."""

        def abreast(first: Expr, count: int) -> list[_Vector]:
            places = [(row, (first + i) * cut.lanes) for row in self._tile for i in range(count)]
            return [
                _Vector(p + sweep.start, p, i * cut.lanes, row=row)
                for i, (row, p) in enumerate(places)
            ]

        dtype = "int32" if sweep.lane is None else sweep.lane.ty.dtype
        groups = cut.whole // cut.abreast
        if groups > 1:
            with tir.serial(tirx.const(groups, dtype)) as group:
                self._group(sweep, cut, abreast(group * cut.abreast, cut.abreast))
        for first in range(0 if groups == 1 else groups * cut.abreast, cut.whole, cut.abreast):
            count = min(cut.abreast, cut.whole - first)
            self._group(sweep, cut, abreast(tirx.const(first, dtype), count))
        if cut.left:
            column = tirx.const(sweep.start + sweep.extent - cut.lanes, dtype)
            place = tirx.const(cut.whole * cut.lanes, dtype)
            again = cut.lanes - cut.left
            last = [
                _Vector(column, place, i * cut.lanes, again, row)
                for i, row in enumerate(self._tile)
            ]
            self._group(sweep, cut, last)

    def _group(self, sweep: Sweep, cut: _Cut, vectors: Sequence[_Vector]) -> None:
        """Vectors side by side: each step is taken for all of them before the next."""
        for column in sweep.columns:
            self._start(column, cut, len(vectors))
            with self._loops(column):
                for vector in vectors:
                    with self._lane(sweep, cut, vector) as lane:
                        value = self._nested(column.scope, column.value)
                        self._accumulate(column, vector.slot + lane, value)
        kept = [k for k in sweep.kept if id(k.definition) in self._rows]
        for one in kept:
            if id(one.definition) in self._computed:
                continue
            for vector in vectors:
                with self._lane(sweep, cut, vector) as lane:
                    row = self._rows[id(one.definition)]
                    value = self._nested(one.scope, one.value)
                    tir.buffer_store(row, value, [vector.place + lane])
        for vector in vectors:
            with self._lane(sweep, cut, vector) as lane:
                others = [k for k in sweep.kept if k not in kept]
                value = self._nested(sweep.scope, sweep.value, others)
                if sweep.reduction is not None:
                    if vector.again and sweep.reduction.definition.counts:
                        again = tirx.const(vector.again, lane.ty.dtype)
                        value = tirx.Select(
                            lane >= again, value, sweep.reduction.definition.identity
                        )
                    self._accumulate(sweep.reduction, vector.slot + lane, value)
                else:
                    assert sweep.target is not None
                    place = [substituted(i, self._values) for i in sweep.target]
                    tir.buffer_store(self._values[self._program.output], value, place)

    @contextmanager
    def _loops(self, column: Column) -> Iterator[None]:
        """Loops over what is reduced besides the lanes."""
        with ExitStack() as loops:
            for loop, extent in column.loops:
                serial = tir.serial(tirx.const(extent, loop.ty.dtype))
                self._values[loop] = loops.enter_context(serial)
            yield

    @contextmanager
    def _lane(self, sweep: Sweep, cut: _Cut, vector: _Vector) -> Iterator[Expr]:
        """The lanes of a vector, in which the variables of a sweep have values."""
        dtype = "int32" if sweep.lane is None else sweep.lane.ty.dtype
        with ExitStack() as loop:
            lane = tirx.const(0, dtype)
            if cut.lanes > 1:
                lane = loop.enter_context(tir.vectorized(tirx.const(cut.lanes, dtype)))
            if sweep.lane is not None:
                self._values[sweep.lane] = vector.column + lane
            if vector.row is not None:
                self._values[self._program.rows[-1][0]] = vector.row
            for column in sweep.columns:
                self._values[column.result] = self._sums[id(column)][vector.slot + lane]
            for kept in sweep.kept:
                if id(kept.definition) in self._rows:
                    self._values[kept.result] = self._rows[id(kept.definition)][vector.place + lane]
            yield lane

    def _nested(self, scope: Scope, value: Expr, others: Sequence[Kept] = ()) -> Expr:
        """An expression with the values that it needs several times bound around it."""
        bindings = [(k.result, self._nested(k.scope, k.value)) for k in others]
        values = dict(self._values)
        lets = []
        for variable, bound in (*bindings, *scope.bindings):
            fresh = tirx.Var(variable.name, variable.ty.dtype)
            lets.append((fresh, substituted(bound, values)))
            values[variable] = fresh
        value = substituted(value, values)
        for variable, bound in reversed(lets):
            value = tirx.Let(variable, bound, value)
        return value

    def _start(self, column: Column, cut: _Cut, vectors: int) -> None:
        """Fill accumulators with what a reduction starts from."""
        for i in range(vectors):
            with _lanes(cut.lanes) as lane:
                place = lane + i * cut.lanes
                tir.buffer_store(self._sums[id(column)], column.definition.identity, [place])

    def _accumulate(self, column: Column, place: Expr, value: Expr) -> None:
        sums, combine = self._sums[id(column)], column.definition.combine
        assert combine is not None
        tir.buffer_store(sums, combine(sums[place], value), [place])

    def _total(self, column: Column, cut: _Cut) -> Expr:
        """Combine accumulators by halves until one number is left."""
        sums, vectors, lanes = self._sums[id(column)], cut.abreast, cut.lanes
        while vectors > 1:
            half = -(-vectors // 2)
            for i in range(vectors - half):
                with _lanes(lanes) as lane:
                    other = sums[lane + (half + i) * lanes]
                    self._accumulate(column, lane + i * lanes, other)
            vectors = half
        while lanes > 1:
            lanes //= 2
            with _lanes(lanes) as lane:
                self._accumulate(column, lane, sums[lane + lanes])
        return sums[tirx.const(0, "int32")]


def _buffer(size: int, definition: Definition) -> Expr:
    return tir.sblock_alloc_buffer((size,), str(definition.buffer.ty.dtype))


@contextmanager
def _lanes(count: int) -> Iterator[Expr]:
    if count == 1:
        yield tirx.const(0, "int32")
        return
    with tir.vectorized(tirx.const(count, "int32")) as lane:
        yield lane
