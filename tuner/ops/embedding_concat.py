"""A whole row of embedding bags, and what stands beside them, written into one tensor.

Ranking models concatenate tens of bags. One kernel per bag, per slice of the indices and for the
concatenation would spend more on dispatch than on rows at small batches, and write every row
twice; here each bag writes straight to its columns of the result.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx
from tvm.script import from_source
from tvm.script import tirx as T


@dataclass(frozen=True, slots=True)
class CopySegment:
    """Columns copied from a dense tensor ``[B, width]``."""

    #: Position of the tensor among the kernel's arguments.
    source: int
    width: int


@dataclass(frozen=True, slots=True)
class BagSegment:
    """Columns summed from rows of one table."""

    #: Position of the table ``[rows, width]`` among the kernel's arguments.
    table: int
    #: Position of the indices ``[B, hots]`` or ``[B, slots, hots]`` among the arguments.
    indices: int
    #: Which slot of 3-D indices; None if they are 2-D.
    slot: int | None
    rows: int
    width: int
    hots: int


Segment = CopySegment | BagSegment

_COPY = """
    for b, d in T.grid(batch, T.int64({width})):
        with T.sblock("copy_{i}"):
            vb, vd = T.axis.remap("SS", [b, d])
            out[vb, T.int64({start}) + vd] = {source}[vb, vd]
"""

_BAG = """
    s{i} = T.sblock_alloc_buffer((batch, T.int64({width})), "{dtype}")
    for b, d, h in T.grid(batch, T.int64({width}), T.int64({hots})):
        with T.sblock("bag_{i}"):
            vb, vd, vh = T.axis.remap("SSR", [b, d, h])
            with T.init():
                s{i}[vb, vd] = T.{dtype}(0)
            s{i}[vb, vd] = s{i}[vb, vd] + a{table}[a{indices}[vb, {at}vh], vd]
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
    # TVM's relay of fusion: injective (2) takes in its producers, opaque (8) stands alone.
    pattern = 2 if all(isinstance(s, CopySegment) for s in segments) else 8
    lines = [
        "@T.prim_func(private=True, s_tir=True)",
        "def embedding_concat("
        + ", ".join(f"p{i}: T.handle" for i in range(len(arguments)))
        + ", p_out: T.handle):",
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
        source = f"s{i}"
        if isinstance(segment, CopySegment):
            source = f"a{segment.source}"
        else:
            slot = "" if segment.slot is None else f"T.int64({segment.slot}), "
            lines.append(
                _BAG.format(
                    i=i,
                    width=segment.width,
                    hots=segment.hots,
                    dtype=dtype,
                    table=segment.table,
                    indices=segment.indices,
                    at=slot,
                )
            )
        lines.append(_COPY.format(i=i, start=start, width=segment.width, source=source))
        start += segment.width
    return from_source("\n".join(lines), extra_vars={"T": T})
