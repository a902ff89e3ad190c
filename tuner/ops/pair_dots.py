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
from tvm.script import from_source
from tvm.script import tirx as script

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


_COPY = """
    for b, d in T.grid(batch, T.int64({width})):
        with T.sblock("copy_{i}"):
            vb, vd = T.axis.remap("SS", [b, d])
            out[vb, T.int64({start}) + vd] = a{source}[vb, T.int64({column}) + vd]
"""

_DOTS = """
    for b, j, d in T.grid(batch, T.int64({width}), T.int64({depth})):
        with T.sblock("dots_{i}"):
            vb, vj, vd = T.axis.remap("SSR", [b, j, d])
            with T.init():
                out[vb, T.int64({start}) + vj] = T.float32(0)
            out[vb, T.int64({start}) + vj] = (
                out[vb, T.int64({start}) + vj]
                + a0[vb, T.int64({row}), vd] * a0[vb, T.int64({column}) + vj, vd]
            )
"""


def pair_dots(vectors: int, depth: int, copied: Sequence[int], operator: PairDots) -> tirx.PrimFunc:
    """Build ``(x[batch, vectors, depth], copied[batch, width]..., out[batch, operator.width])``.

    It stands alone: `tuner.kernels.pair_dots` writes it out for a configuration.

    Parameters
    ----------
    copied
        Columns of each tensor that is copied from; `CopySegment.source` 1 is the first of them.
    """
    shapes = [(vectors, depth), *((width,) for width in copied)]
    params = [f"p{i}: T.handle" for i in range(len(shapes))]
    lines = [
        "@T.prim_func(private=True, s_tir=True)",
        f"def pair_dots({', '.join([*params, 'p_out: T.handle'])}):",
        '    T.func_attr({"tirx.noalias": True, "op_pattern": 8})',
        "    batch = T.int64()",
    ]
    for i, shape in enumerate(shapes):
        extents = ", ".join(f"T.int64({d})" for d in shape)
        lines.append(f'    a{i} = T.match_buffer(p{i}, (batch, {extents}), "float32")')
    lines.append(f'    out = T.match_buffer(p_out, (batch, T.int64({operator.width})), "float32")')
    start = 0
    for i, segment in enumerate(operator.segments):
        text = _COPY if isinstance(segment, CopySegment) else _DOTS
        fields = {name: getattr(segment, name) for name in segment.__slots__}
        lines.append(text.format(i=i, start=start, depth=depth, **fields))
        start += segment.width
    func = from_source("\n".join(lines), extra_vars={"T": script})
    return func.with_attr(OPERATOR, operator.to_json())
