"""A whole row of embedding bags, and what stands beside them, written into one tensor.

Ranking models concatenate tens of bags. One kernel per bag, per slice of the indices and for the
concatenation would spend more on dispatch than on rows at small batches, and write every row
twice; here each bag writes straight to its columns of the result.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx
from tvm.script import from_source
from tvm.script import tirx as script


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

_COPY = """
    for b, d in T.grid(batch, T.int64({width})):
        with T.sblock("{name}_{i}"):
            vb, vd = T.axis.remap("SS", [b, d])
            out[vb, T.int64({start}) + vd] = {value}
"""

_BAG = """
    s{i} = T.sblock_alloc_buffer((batch, T.int64({width})), "{dtype}")
    for b, d, h in T.grid(batch, T.int64({width}), T.int64({hots})):
        with T.sblock("bag_{i}"):
            vb, vd, vh = T.axis.remap("SSR", [b, d, h])
            with T.init():
                s{i}[vb, vd] = T.{dtype}(0)
            s{i}[vb, vd] = s{i}[vb, vd] + {row}
"""


def embedding_concat(
    arguments: list[tuple[tuple[int | str, ...], str]], segments: list[Segment], dtype: str
) -> tirx.PrimFunc:
    """Build ``(argument..., out[batch, sum of widths])``.

    Parameters
    ----------
    arguments
        Shape and dtype of each; the word ``"batch"`` stands for the open batch dimension.
    segments
        What each run of columns holds, from left to right.
    """
    pattern = _INJECTIVE if all(isinstance(s, CopySegment) for s in segments) else _OPAQUE
    params = [f"p{i}: T.handle" for i in range(len(arguments))]
    lines = [
        "@T.prim_func(private=True, s_tir=True)",
        f"def embedding_concat({', '.join([*params, 'p_out: T.handle'])}):",
        f'    T.func_attr({{"tirx.noalias": True, "op_pattern": {pattern}}})',
        "    batch = T.int64()",
    ]
    for i, (shape, kind) in enumerate(arguments):
        extents = ", ".join(d if isinstance(d, str) else f"T.int64({d})" for d in shape)
        lines.append(f'    a{i} = T.match_buffer(p{i}, ({extents},), "{kind}")')
    total = sum(s.width for s in segments)
    lines.append(f'    out = T.match_buffer(p_out, (batch, T.int64({total})), "{dtype}")')
    start = 0
    for i, segment in enumerate(segments):
        copy = {"i": i, "start": start, "width": segment.width}
        if isinstance(segment, CopySegment):
            value = f"a{segment.source}[vb, {_shifted('vd', segment.column)}]"
            lines.append(_COPY.format(**copy, name="copy", value=value))
        elif segment.hots == 1:
            row = _row(segment, "T.int64(0)", arguments[segment.indices][1])
            lines.append(_COPY.format(**copy, name="row", value=row))
        else:
            row = _row(segment, "vh", arguments[segment.indices][1])
            bag = {"i": i, "width": segment.width, "hots": segment.hots, "dtype": dtype}
            lines.append(_BAG.format(**bag, row=row))
            lines.append(_COPY.format(**copy, name="copy", value=f"s{i}[vb, vd]"))
        start += segment.width
    return from_source("\n".join(lines), extra_vars={"T": script})


def _row(segment: BagSegment, hot: str, dtype: str) -> str:
    """Column ``vd`` of the row that index `hot` of the bag names."""
    slot = "" if segment.slot is None else f"T.int64({segment.slot}), "
    index = f"a{segment.indices}[vb, {slot}{_shifted(hot, segment.column)}]"
    if dtype not in ("int32", "int64"):
        index = f'T.Cast("int64", {index})'
    return f"a{segment.table}[{index}, vd]"


def _shifted(variable: str, by: int) -> str:
    return f"{variable} + T.int64({by})" if by else variable
