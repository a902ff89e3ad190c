"""A whole row of embedding bags, and what stands beside them, written into one tensor.

Ranking models concatenate tens of bags. One kernel per bag, per slice of the indices and for the
concatenation would spend more on dispatch than on rows at small batches, and write every row
twice; here each bag writes straight to its columns of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tvm import tirx

from tuner.ops.columns import Columns, Expr, Signature, columns_function, i64, shifted


@dataclass(frozen=True, slots=True)
class CopySegment:
    """Columns copied from a dense tensor ``[B, columns]``."""

    #: Position of the tensor among the kernel's arguments.
    source: int
    width: int
    #: First column of the source that is copied.
    column: int = 0


@dataclass(frozen=True, slots=True)
class BagSegment:
    """Columns summed from rows of one table."""

    #: Position of the table ``[rows, width]`` among the kernel's arguments.
    table: int
    #: Position of the indices ``[B, columns]`` or ``[B, slots, columns]`` among the arguments.
    indices: int
    #: Which slot of 3-D indices; None if they are 2-D.
    slot: int | None
    rows: int
    width: int
    #: Rows that are summed; one is copied.
    hots: int
    #: Column of the first index.
    column: int = 0


Segment = CopySegment | BagSegment

#: TVM's patterns: injective kernels take in their producers, opaque ones stand alone.
_INJECTIVE, _OPAQUE = 2, 8


def embedding_concat(
    arguments: Sequence[Signature], segments: Sequence[Segment], dtype: str
) -> tirx.PrimFunc:
    """Build ``(argument..., out[batch, sum of widths])``.

    Parameters
    ----------
    segments
        What each run of columns holds, from left to right.
    """

    def body(columns: Columns) -> None:
        start = 0
        for i, segment in enumerate(segments):
            if isinstance(segment, CopySegment):
                _copy(columns, f"copy_{i}", start, segment)
            elif segment.hots == 1:
                _row(columns, f"row_{i}", start, segment)
            else:
                _bag(columns, i, start, segment, dtype)
            start += segment.width

    pattern = _INJECTIVE if all(isinstance(s, CopySegment) for s in segments) else _OPAQUE
    width = sum(s.width for s in segments)
    return columns_function("embedding_concat", arguments, width, dtype, pattern, body)


def _copy(columns: Columns, name: str, start: int, segment: CopySegment) -> None:
    source = columns.arguments[segment.source]
    columns.fill(name, start, segment.width, lambda b, d: source[b, shifted(d, segment.column)])


def _row(columns: Columns, name: str, start: int, segment: BagSegment) -> None:
    columns.fill(name, start, segment.width, lambda b, d: _element(columns, segment, b, d, i64(0)))


def _bag(columns: Columns, i: int, start: int, segment: BagSegment, dtype: str) -> None:
    total = columns.temporary(segment.width, dtype)
    columns.add_up(
        f"bag_{i}",
        total,
        0,
        segment.width,
        segment.hots,
        lambda b, d, hot: _element(columns, segment, b, d, hot),
    )
    columns.fill(f"copy_{i}", start, segment.width, lambda b, d: total[b, d])


def _element(columns: Columns, segment: BagSegment, b: Expr, d: Expr, hot: Expr) -> Expr:
    """Column `d` of the row that index `hot` of the bag names."""
    indices = columns.arguments[segment.indices]
    slot = [] if segment.slot is None else [i64(segment.slot)]
    index = indices[(b, *slot, shifted(hot, segment.column))]
    if str(indices.ty.dtype) not in ("int32", "int64"):
        index = index.astype("int64")
    return columns.arguments[segment.table][index, d]
