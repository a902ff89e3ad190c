"""Turns concatenations into one kernel that writes each part to its columns.

TVM's own ``concat`` chooses between its inputs for every element. Embedding bags and rows that
only feed a concatenation move into it (see `tuner.ops.embedding_concat`), and so do the columns
that parts of it are cut from.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from tvm import relax

from tuner.graph.reshapes import RESHAPES
from tuner.graph.rewrite import Lookup, calls, fixed, kernel_name
from tuner.ops import (
    OPERATOR,
    BagSegment,
    CopySegment,
    PairDots,
    Segment,
    embedding_concat,
    pair_dots,
)
from tuner.ops.pair_dots import PairSegment

#: Rows of one table side by side become that many segments; more stay a gather.
_MAX_ROWS = 8


class ConcatRewriter:
    """Rewrites ``concat`` of parts that are rows of their own for each example."""

    def __init__(self) -> None:
        #: Segments and arguments of the concatenations made so far that only copy.
        self._copies: dict[str, tuple[list[Segment], list[relax.Expr]]] = {}

    def __call__(
        self, builder: relax.BlockBuilder, call: relax.Call, lookup: Lookup
    ) -> relax.Expr | None:
        """See `tuner.graph.rewrite.Rewriter`."""
        if not calls(call, "concat") or not isinstance(call.args[0], relax.Tuple):
            return None
        parts = list(call.args[0].fields)
        shape = list(call.ty.shape)
        axis = int(call.attrs.axis or 0) % len(shape)
        # The part of an example has to lie in one piece of the result.
        if axis == 0 or any(fixed(d) != 1 for d in shape[1:axis]) or fixed(shape[0]) is not None:
            return None
        if any(fixed(d) is None for p in parts for d in list(p.ty.shape)[1:]):
            return None
        dtype = str(call.ty.dtype)
        if any(str(p.ty.dtype) != dtype for p in parts):
            return None
        if len(shape) == 2:
            out = self._with_dots(builder, parts, lookup, shape[0])
            if out is not None:
                return out
        plan = _Plan(builder, lookup, shape[0], self._copies)
        segments = _joined([s for part in parts for s in plan.segments(part)])
        kernel = embedding_concat(plan.signature(), segments, dtype)
        looks_up = any(isinstance(s, BagSegment) for s in segments)
        callee = builder.add_func(kernel, "embedding_concat" if looks_up else "concat")
        if not looks_up:
            self._copies[callee.name_hint] = (segments, plan.arguments)
        width = sum(s.width for s in segments)
        flat = relax.TensorType([shape[0], width], dtype)
        out = relax.call_tir(callee, plan.arguments, flat)
        return out if len(shape) == 2 else relax.op.reshape(builder.emit(out), shape)

    def _with_dots(
        self,
        builder: relax.BlockBuilder,
        parts: list[relax.Expr],
        lookup: Lookup,
        batch: object,
    ) -> relax.Expr | None:
        """One kernel for products of pairs and the columns beside them; None without products."""
        plan = _Plan(builder, lookup, batch, self._copies)
        segments: list[PairSegment] = []
        vectors: list[relax.Expr] = []
        for part in parts:
            bound = lookup(part)
            if bound is not None and kernel_name(bound).startswith("pair_dots"):
                operator = builder.get()[bound.args[0]].attrs[OPERATOR]
                segments.extend(PairDots.from_json(str(operator)).segments)
                vectors.extend(bound.args[1].fields)
                continue
            for segment in plan.segments(part):
                if not isinstance(segment, CopySegment):
                    return None
                segments.append(replace(segment, source=segment.source + 1))
        if not vectors or not all(v.same_as(vectors[0]) for v in vectors):
            return None
        x = vectors[0]
        copied = [int(a.ty.shape[1]) for a in plan.arguments]
        _, count, depth = x.ty.shape
        func = pair_dots(int(count), int(depth), copied, PairDots(tuple(segments)))
        width = sum(s.width for s in segments)
        callee = builder.add_func(func, "pair_dots")
        out = relax.TensorType([batch, width], "float32")
        return relax.call_tir(callee, [x, *plan.arguments], out)


class _Plan:
    """The arguments of one kernel, each tensor once, and the segments that read them."""

    def __init__(
        self,
        builder: relax.BlockBuilder,
        lookup: Lookup,
        batch: object,
        copies: dict[str, tuple[list[Segment], list[relax.Expr]]],
    ) -> None:
        self.arguments: list[relax.Expr] = []
        self._builder, self._lookup, self._batch, self._copies = builder, lookup, batch, copies

    def signature(self) -> list[tuple[tuple[int | str, ...], str]]:
        """Shape and dtype of each argument; ``"batch"`` for the open dimension."""
        return [
            (tuple("batch" if fixed(d) is None else int(d) for d in v.ty.shape), str(v.ty.dtype))
            for v in self.arguments
        ]

    def segments(self, part: relax.Expr) -> list[Segment]:
        """What the columns of `part` hold."""
        width = prod(int(d) for d in list(part.ty.shape)[1:])
        source = self._flat(part)
        bound = self._lookup(source)
        kernel = kernel_name(bound)
        if bound is not None and kernel.startswith(("embedding_bag_sum", "gather")):
            rows = self._rows(bound, summed=kernel.startswith("embedding_bag_sum"))
            if rows is not None:
                return rows
        if bound is not None and kernel in self._copies:
            segments, arguments = self._copies[kernel]
            if len(arguments) == len(bound.args[1].fields):
                return [self._moved(s, list(bound.args[1].fields)) for s in segments]
        cut = self._cut(source)
        if cut is not None:
            return [CopySegment(self._place(cut[0]), width, cut[1])]
        if len(source.ty.shape) != 2:
            source = self._builder.emit(relax.op.reshape(source, [self._batch, width]))
        return [CopySegment(self._place(source), width)]

    def _moved(self, segment: Segment, arguments: list[relax.Expr]) -> Segment:
        assert isinstance(segment, CopySegment)
        return replace(segment, source=self._place(arguments[segment.source]))

    def _rows(self, call: relax.Call, *, summed: bool) -> list[Segment] | None:
        """Segments for a bag, or for a gather of a few rows for each example."""
        table, indices = call.args[1].fields
        if len(table.ty.shape) != 2 or not self._is_batch(indices):
            return None
        rows, width = (int(d) for d in table.ty.shape)
        extents = [fixed(d) for d in list(indices.ty.shape)[1:]]
        count = int(np.prod([e or 0 for e in extents]))
        if not count or (not summed and count > _MAX_ROWS):
            return None
        source, slot, column = self._origin(indices, count)
        at, place = self._place(table), self._place(source)
        if summed:
            return [BagSegment(at, place, slot, rows, width, count, column)]
        return [BagSegment(at, place, slot, rows, width, 1, column + i) for i in range(count)]

    def _origin(self, indices: relax.Expr, count: int) -> tuple[relax.Expr, int | None, int]:
        """Tensor that holds the indices, slot of it if it has slots, and first column.

        Casts are left to the kernel, which takes indices of any type.
        """
        source = self._flat(indices, through_casts=True)
        cut = self._cut(source)
        if cut is not None:
            return cut[0], None, cut[1]
        bound = self._lookup(source)
        if calls(bound, "strided_slice") and len(bound.ty.shape) == 3:
            axes, begin = (_numbers(a) for a in bound.args[1:3])
            whole = int(bound.ty.shape[2]) == int(bound.args[0].ty.shape[2])
            if axes == [1] and int(bound.ty.shape[1]) == 1 and begin[0] >= 0 and whole:
                return bound.args[0], begin[0], 0
        if len(source.ty.shape) != 2:
            source = self._builder.emit(relax.op.reshape(source, [self._batch, count]))
        return source, None, 0

    def _flat(self, expr: relax.Expr, *, through_casts: bool = False) -> relax.Expr:
        """Look through reshapes that leave the batch alone."""
        names = (*RESHAPES, "astype") if through_casts else RESHAPES
        while True:
            bound = self._lookup(expr)
            if not calls(bound, *names) or not self._is_batch(bound.args[0]):
                return expr
            expr = bound.args[0]

    def _cut(self, expr: relax.Expr) -> tuple[relax.Expr, int] | None:
        """Look through ``x[:, a:b]`` to ``x`` and ``a``."""
        bound = self._lookup(expr)
        if not calls(bound, "strided_slice") or len(bound.ty.shape) != 2:
            return None
        axes, begin = (_numbers(a) for a in bound.args[1:3])
        steps = _numbers(bound.args[4]) if len(bound.args) > 4 else [1]
        if axes != [1] or begin[0] < 0 or steps != [1]:
            return None
        return bound.args[0], begin[0]

    def _is_batch(self, expr: relax.Expr) -> bool:
        shape = list(expr.ty.shape)
        return bool(shape) and shape[0].same_as(self._batch)

    def _place(self, value: relax.Expr) -> int:
        """Position of `value` among the arguments; appended on first use."""
        for i, known in enumerate(self.arguments):
            if known.same_as(value):
                return i
        self.arguments.append(value)
        return len(self.arguments) - 1


def _numbers(expr: relax.Expr) -> list[int]:
    return [int(f) for f in (expr.fields if isinstance(expr, relax.Tuple) else expr.values)]


def _joined(segments: list[Segment]) -> list[Segment]:
    """Make one copy of neighbouring columns that are neighbours in their source too."""
    joined: list[Segment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        if (
            isinstance(segment, CopySegment)
            and isinstance(last, CopySegment)
            and segment.source == last.source
            and segment.column == last.column + last.width
        ):
            joined[-1] = replace(last, width=last.width + segment.width)
        else:
            joined.append(segment)
    return joined
