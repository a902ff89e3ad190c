"""Pairwise dot products: register tiles of rows against groups of rows, four elements at a time.

The vectors of one example are copied into groups of ``Q = lanes / 4`` rows, of which four
neighbouring elements each fill one register::

    packed[group, k / 4] = row 0 [k .. k+3], row 1 [k .. k+3], ..., row Q-1 [k .. k+3]

A tile multiplies such registers by four elements of one row, repeated ``Q`` times: a load without
a shuffle. Every lane does work that counts, and what is left to add up at the end are the four
lanes of each quad, not all lanes of a register. The copy stays in the L1 cache and is read for
every tile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from tuner.kernels.vectors import Expr, index, picked, pieces, span, sums_in_quads, zeros
from tuner.ops.embedding_concat import CopySegment
from tuner.ops.pair_dots import DotSegment, PairDots

#: Elements of a row that lie side by side in a packed register.
_QUAD = 4


@dataclass(frozen=True, slots=True)
class _Tile:
    rows: tuple[int, ...]
    #: First group of rows that they are multiplied with, and how many.
    group: int
    groups: int


def write_pair_dots(func: tirx.PrimFunc, operator: str, config: Mapping[str, int]) -> tirx.PrimFunc:
    """Write out `tuner.ops.pair_dots`.

    Parameters
    ----------
    config
        ``lanes`` of a register, ``rows`` and ``groups`` of the largest tile, ``unroll`` of its
        loop over quads.
    """
    with IRBuilder() as builder, tir.prim_func(s_tir=True):
        tir.func_name("main")
        buffers = [
            tir.arg(f"a{i}", tir.buffer([int(d) for d in p.ty.shape], "float32"))
            for i, p in enumerate(func.params)
        ]
        with tir.sblock("root"):
            _Writer(buffers, PairDots.from_json(operator), config).write()
    return builder.get()


class _Writer:
    def __init__(self, buffers: list[Expr], operator: PairDots, config: Mapping[str, int]) -> None:
        self._buffers, self._operator = buffers, operator
        self._batch, self._vectors, self._depth = (int(d) for d in buffers[0].ty.shape)
        self._lanes, self._unroll = config["lanes"], config["unroll"]
        self._group_rows = self._lanes // _QUAD
        self._quads = -(-self._depth // _QUAD)
        self._tile_groups = config["groups"]
        #: Where each row's runs go: first column of the result, and the run.
        self._runs: dict[int, list[tuple[int, DotSegment]]] = {}
        start = 0
        for segment in operator.segments:
            if isinstance(segment, DotSegment):
                self._runs.setdefault(segment.row, []).append((start, segment))
            start += segment.width
        self._tiles = self._cut(config["rows"])

    def _cut(self, rows: int) -> list[_Tile]:
        wanted = sorted(self._runs)
        tiles: list[_Tile] = []
        for i in range(0, len(wanted), rows):
            some = tuple(wanted[i : i + rows])
            runs = [run for row in some for _, run in self._runs[row]]
            first = min(run.column for run in runs) // self._group_rows
            last = -(-max(run.column + run.width for run in runs) // self._group_rows)
            tiles.extend(
                _Tile(some, group, min(self._tile_groups, last - group))
                for group in range(first, last, self._tile_groups)
            )
        return tiles

    def write(self) -> None:
        lanes = self._lanes
        groups = -(-self._vectors // self._group_rows)
        largest = max((len(t.rows) * t.groups for t in self._tiles), default=1)
        self._packed = tir.sblock_alloc_buffer((groups * self._quads * lanes,), "float32")
        self._sums = tir.sblock_alloc_buffer((largest * lanes,), "float32")
        self._halves = tir.sblock_alloc_buffer((4 * lanes,), "float32")
        with tir.serial(self._batch) as example:
            self._copy(example)
            self._pack(example, groups)
            for tile in self._tiles:
                self._multiply(tile)
                self._store(example, tile)

    def _copy(self, example: Expr) -> None:
        start = 0
        for segment in self._operator.segments:
            if isinstance(segment, CopySegment):
                source = self._buffers[segment.source]
                for column, lanes in pieces(segment.width, self._lanes):
                    value = source[example, span(segment.column + column, lanes)]
                    tir.buffer_store(
                        self._buffers[-1], value, [example, span(start + column, lanes)]
                    )
            start += segment.width

    def _pack(self, example: Expr, groups: int) -> None:
        x, lanes, whole = self._buffers[0], self._lanes, self._depth // _QUAD
        for group in range(groups):
            # The last group repeats a row: its products are dropped.
            first = group * self._group_rows
            rows = [min(first + i, self._vectors - 1) for i in range(self._group_rows)]
            if whole:
                with tir.serial(whole) as quad:
                    parts = [x[example, index(r), span(quad * _QUAD, _QUAD)] for r in rows]
                    tir.buffer_store(
                        self._packed,
                        tirx.Shuffle(parts, list(range(lanes))),
                        [span((quad + group * self._quads) * lanes, lanes)],
                    )
            for at in range((self._quads - whole) * lanes):
                row, k = rows[at // _QUAD], whole * _QUAD + at % _QUAD
                value = x[example, index(row), index(k)] if k < self._depth else zeros(1)
                place = (group * self._quads + whole) * lanes + at
                tir.buffer_store(self._packed, value, [index(place)])

    def _register(self, tile: _Tile, row: int, group: int) -> Expr:
        return span((row * tile.groups + group) * self._lanes, self._lanes)

    def _multiply(self, tile: _Tile) -> None:
        for row in range(len(tile.rows)):
            for group in range(tile.groups):
                tir.buffer_store(self._sums, zeros(self._lanes), [self._register(tile, row, group)])
        steps, rest = divmod(self._quads, self._unroll)
        if steps:
            with tir.serial(steps) as step:
                for i in range(self._unroll):
                    self._step(tile, step * self._unroll + i)
        for i in range(rest):
            self._step(tile, index(steps * self._unroll + i))

    def _step(self, tile: _Tile, quad: Expr) -> None:
        lanes = self._lanes
        for group in range(tile.groups):
            at = (quad + (tile.group + group) * self._quads) * lanes
            right = self._packed[span(at, lanes)]
            for i, row in enumerate(tile.rows):
                place = self._register(tile, i, group)
                tir.buffer_store(
                    self._sums, self._row(row, quad) * right + self._sums[place], [place]
                )

    def _row(self, row: int, quad: Expr) -> Expr:
        """Four elements of a row, in every quad of a register."""
        group, place = divmod(row, self._group_rows)
        at = (quad + group * self._quads) * self._lanes + place * _QUAD
        part = self._packed[span(at, _QUAD)]
        return tirx.Shuffle([part] * self._group_rows, list(range(self._lanes)))

    def _store(self, example: Expr, tile: _Tile) -> None:
        # `sums_in_quads` leaves the sums of one group four lanes apart.
        order = [_QUAD * (i % self._group_rows) + i // self._group_rows for i in range(self._lanes)]
        for i, row in enumerate(tile.rows):
            for group in range(0, tile.groups, _QUAD):
                some = range(group, min(group + _QUAD, tile.groups))
                values = [self._sums[self._register(tile, i, g)] for g in some]
                total = sums_in_quads(values, self._halves, 0, self._lanes)
                place = span(2 * self._lanes, self._lanes)
                tir.buffer_store(self._halves, total, [place])
                first = (tile.group + group) * self._group_rows
                self._store_row(example, row, first, len(values), self._halves[place], order)

    def _store_row(
        self, example: Expr, row: int, first: int, groups: int, sums: Expr, order: list[int]
    ) -> None:
        """Store the sums of a row with the rows from `first` on, as far as runs ask for them."""
        last = first + groups * self._group_rows
        for start, run in self._runs[row]:
            begin, end = max(first, run.column), min(last, run.column + run.width)
            for offset, lanes in pieces(max(0, end - begin), self._lanes):
                at = begin + offset
                value = picked(sums, order[at - first : at - first + lanes])
                tir.buffer_store(
                    self._buffers[-1], value, [example, span(start + at - run.column, lanes)]
                )
