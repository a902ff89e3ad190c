"""Embedding bags: sums or means of table rows.

PyTorch's ``nn.EmbeddingBag`` has two forms: every bag holds the same number of rows (2-D
indices), or bags are slices of one list of indices, cut at offsets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from tvm import te, tirx
from tvm.script import from_source
from tvm.script import tirx as script

from tuner.ops.operator import OPERATOR


def embedding_bag(
    table: te.Tensor,
    indices: te.Tensor,
    weights: te.Tensor | None = None,
    *,
    mean: bool = False,
    padding_idx: int = -1,
) -> te.Tensor:
    """``y[b, d] = sum_l weights[b, l] * table[indices[b, l], d]``, divided by L if `mean`.

    Parameters
    ----------
    table
        ``[R, D]``.
    indices
        ``[B, L]`` integers in ``[0, R)``, checked by the caller.
    weights
        ``[B, L]`` per-sample weights, of the table's dtype.
    padding_idx
        Rows with this index do not count; -1 for none. Not supported together with `mean`.
    """
    bags, length = indices.shape
    hot = te.reduce_axis((0, length), name="hot")

    def term(b: tirx.Var, d: tirx.Var) -> tirx.Expr:
        row = indices[b, hot]
        value = table[row, d]
        if weights is not None:
            value = value * weights[b, hot]
        if padding_idx >= 0:
            zero = tirx.const(0, table.dtype)
            value = tirx.if_then_else(row != tirx.const(padding_idx, row.dtype), value, zero)
        return te.sum(value, axis=hot)

    shape = (bags, table.shape[1])
    total = te.compute(shape, term, name="bag")
    if not mean:
        return total
    scale = tirx.const(1, table.dtype) / length.astype(table.dtype)
    return te.compute(shape, lambda b, d: total[b, d] * scale, name="bag_mean")


_FROM_OFFSETS = """
@T.prim_func(private=True, s_tir=True)
def bag_from_offsets({params}):
    T.func_attr({{"tirx.noalias": True, "op_pattern": 8}})
    count, cuts, bags = T.int64(), T.int64(), T.int64()
    table = T.match_buffer(var_table, (T.int64({rows}), T.int64({dim})), "{dtype}")
    indices = T.match_buffer(var_indices, (count,), "{itype}")
    offsets = T.match_buffer(var_offsets, (cuts,), "{otype}")
    {weights}
    out = T.match_buffer(var_out, (bags, T.int64({dim})), "{dtype}")
    for b in range(bags):
        with T.sblock("bag_from_offsets"):
            vb = T.axis.spatial(bags, b)
            T.reads({reads})
            T.writes(out[vb, 0:T.int64({dim})])
            total = T.sblock_alloc_buffer((T.int64({group}),), "{dtype}")
            begin: T.let[T.int64] = T.int64(offsets[vb])
            end: T.let[T.int64] = {end}
            for g in range(T.int64({groups})):
                for v in T.unroll(T.int64({vectors})):
                    for d in T.vectorized(T.int64({lanes})):
                        total[v * {lanes} + d] = T.{dtype}(0)
                for hot in range(end - begin):
{prefetch}
                    for v in T.unroll(T.int64({vectors})):
                        for d in T.vectorized(T.int64({lanes})):
                            total[v * {lanes} + d] = total[v * {lanes} + d] + {term}
                for v in T.unroll(T.int64({vectors})):
                    for d in T.vectorized(T.int64({lanes})):
                        out[vb, {column}] = total[v * {lanes} + d]{scale}
"""

#: Columns that are added up in registers at a time.
_GROUP = 64
_LINE = 64


@dataclass(frozen=True, slots=True)
class OffsetBags:
    """A kernel for bags cut at offsets: what it computes."""

    rows: int
    dim: int
    dtype: str
    index_dtype: str
    offset_dtype: str
    mean: bool
    weighted: bool
    include_last_offset: bool
    padding_idx: int = -1

    def to_json(self) -> str:
        """One line of text, which `from_json` reads."""
        return json.dumps({"bag_from_offsets": asdict(self)}, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> OffsetBags:
        """Read what `to_json` wrote."""
        return OffsetBags(**json.loads(text)["bag_from_offsets"])


def bag_from_offsets(
    bags: OffsetBags, *, lanes: int = 16, ahead: int = 0, level: int = 2
) -> tirx.PrimFunc:
    """Kernel for bags cut at offsets: ``(table, indices[, weights], offsets) -> out[bags, dim]``.

    Bag lengths depend on data, so the reduction is a loop inside an opaque block, which no
    schedule can change: it is written out for a configuration. A mean of an empty bag is zero, as
    in PyTorch.

    Parameters
    ----------
    lanes
        Floats per vector; fewer where `dim` is no multiple.
    ahead
        Rows that are prefetched ahead; 0 for none.
    level
        Level of the cache they go to, counted from memory.
    """
    dim, dtype = bags.dim, bags.dtype
    lanes = next(n for n in (lanes, 16, 8, 4, 2, 1) if n <= lanes and dim % n == 0)
    group = max(g for g in range(lanes, max(_GROUP, lanes) + 1, lanes) if dim % g == 0)
    column = f"g * {group} + v * {lanes} + d"
    row = "indices[begin + hot]"
    term = f"table[{row}, {column}]"
    if bags.weighted:
        term += " * weights[begin + hot]"
    if bags.padding_idx >= 0:
        term = f"T.if_then_else({row} != {bags.padding_idx}, {term}, T.{dtype}(0))"
    following = "offsets[T.min(vb + T.int64(1), bags - T.int64(1))]"
    end = f"T.if_then_else(vb + T.int64(1) < bags, T.int64({following}), count)"
    if bags.include_last_offset:
        end = "T.int64(offsets[vb + T.int64(1)])"
    reads = [
        f"table[0:T.int64({bags.rows}), 0:T.int64({dim})]",
        "indices[0:count]",
        "offsets[0:cuts]",
        *(["weights[0:count]"] if bags.weighted else []),
    ]
    params = [
        "var_table",
        "var_indices",
        *(["var_weights"] if bags.weighted else []),
        "var_offsets",
    ]
    weights = f'weights = T.match_buffer(var_weights, (count,), "{dtype}")'
    source = _FROM_OFFSETS.format(
        params=", ".join(f"{p}: T.handle" for p in [*params, "var_out"]),
        rows=bags.rows,
        dim=dim,
        dtype=dtype,
        itype=bags.index_dtype,
        otype=bags.offset_dtype,
        weights=weights if bags.weighted else "",
        prefetch="\n".join(_prefetches(bags, ahead, level) if ahead else []),
        reads=", ".join(reads),
        end=end,
        groups=dim // group,
        group=group,
        vectors=group // lanes,
        lanes=lanes,
        term=term,
        column=column,
        scale=f' / T.Cast("{dtype}", T.max(end - begin, T.int64(1)))' if bags.mean else "",
    )
    return from_source(source, extra_vars={"T": script}).with_attr(OPERATOR, bags.to_json())


def _prefetches(bags: OffsetBags, ahead: int, level: int) -> Iterator[str]:
    """Ask for the lines of a row that is summed later, be it in a later bag."""
    step = _LINE // np.dtype(bags.dtype).itemsize
    indent = " " * 20
    yield f"{indent}later: T.let[T.int64] = T.min(begin + hot + T.int64({ahead}), count - 1)"
    for column in range(0, bags.dim, step):
        address = f"T.address_of(table[indices[later], T.int64({column})])"
        call = f'T.call_intrin("void", "tirx.prefetch", {address}, 0, {level}, 1)'
        yield f"{indent}T.evaluate({call})"
