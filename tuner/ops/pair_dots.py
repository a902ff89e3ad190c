"""Dot products of chosen pairs of each example's vectors, and what stands beside them.

Ranking models let the embeddings of an example interact: of the products of all pairs they keep a
triangle, and put it behind other columns. A whole matrix product computes everything twice and
then picks single elements; here only what is used is computed, where the model wants it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise

import numpy as np
from tvm import tirx

from tuner.ops.columns import Columns, Signature, columns_function, i64
from tuner.ops.embedding_concat import CopySegment
from tuner.ops.operator import OPERATOR


@dataclass(frozen=True, slots=True)
class DotSegment:
    """Columns ``x[row] . x[column], x[row] . x[column + 1], ...`` of one example."""

    row: int
    #: First of the vectors that `row` is multiplied with.
    column: int
    width: int


PairSegment = CopySegment | DotSegment


@dataclass(frozen=True, slots=True)
class PairDots:
    """What the columns of one result hold, from left to right."""

    segments: tuple[PairSegment, ...]

    @property
    def width(self) -> int:
        """Columns of the result."""
        return sum(s.width for s in self.segments)

    def to_json(self) -> str:
        """One line of text, which `from_json` reads."""
        kinds = {CopySegment: "copy", DotSegment: "dots"}
        segments = [[kinds[type(s)], *astuple(s)] for s in self.segments]
        return json.dumps({"pair_dots": segments}, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> PairDots:
        """Read what `to_json` wrote."""
        kinds: dict[str, type[PairSegment]] = {"copy": CopySegment, "dots": DotSegment}
        segments = json.loads(text)["pair_dots"]
        return PairDots(tuple(kinds[kind](*fields) for kind, *fields in segments))


def runs_of(first: np.ndarray, second: np.ndarray) -> list[DotSegment]:
    """Cut pairs into runs of one vector against neighbours; the order of the pairs is kept.

    A product has no order, so that the side which gives fewer runs is taken for the rows. The
    triangles of ``torch.tril_indices`` and ``triu_indices`` give one run for each row.
    """
    return min((_runs(first, second), _runs(second, first)), key=len)


def _runs(rows: np.ndarray, columns: np.ndarray) -> list[DotSegment]:
    cuts = np.flatnonzero((np.diff(rows) != 0) | (np.diff(columns) != 1)) + 1
    edges = [0, *cuts.tolist(), len(rows)]
    return [
        DotSegment(int(rows[begin]), int(columns[begin]), end - begin)
        for begin, end in pairwise(edges)
        if end > begin
    ]


#: TVM's pattern of functions that stand alone.
_OPAQUE = 8


def pair_dots(vectors: int, depth: int, copied: Sequence[int], operator: PairDots) -> tirx.PrimFunc:
    """Build ``(x[batch, vectors, depth], copied[batch, width]..., out[batch, operator.width])``.

    It stands alone: `tuner.kernels.pair_dots` writes it out for a configuration.

    Parameters
    ----------
    copied
        Columns of each tensor that is copied from; `CopySegment.source` 1 is the first of them.
    """

    def body(columns: Columns) -> None:
        start = 0
        for i, segment in enumerate(operator.segments):
            if isinstance(segment, CopySegment):
                _copy(columns, i, start, segment)
            else:
                _dots(columns, i, start, segment, depth)
            start += segment.width

    shapes = [(vectors, depth), *((width,) for width in copied)]
    arguments: list[Signature] = [(("batch", *shape), "float32") for shape in shapes]
    func = columns_function("pair_dots", arguments, operator.width, "float32", _OPAQUE, body)
    return func.with_attr(OPERATOR, operator.to_json())


def _copy(columns: Columns, i: int, start: int, segment: CopySegment) -> None:
    source = columns.arguments[segment.source]
    columns.fill(f"copy_{i}", start, segment.width, lambda b, d: source[b, i64(segment.column) + d])


def _dots(columns: Columns, i: int, start: int, segment: DotSegment, depth: int) -> None:
    x, row, first = columns.arguments[0], i64(segment.row), i64(segment.column)
    columns.add_up(
        f"dots_{i}",
        columns.out,
        start,
        segment.width,
        depth,
        lambda b, j, d: x[b, row, d] * x[b, first + j, d],
    )
