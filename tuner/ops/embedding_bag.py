"""Embedding bags: sums or means of table rows.

PyTorch's ``nn.EmbeddingBag`` has two forms: every bag holds the same number of rows (2-D
indices), or bags are slices of one list of indices, cut at offsets.
"""

from __future__ import annotations

from tvm import te, tirx
from tvm.script import from_source
from tvm.script import tirx as script


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
                    for v in T.unroll(T.int64({vectors})):
                        for d in T.vectorized(T.int64({lanes})):
                            total[v * {lanes} + d] = total[v * {lanes} + d] + {term}
                for v in T.unroll(T.int64({vectors})):
                    for d in T.vectorized(T.int64({lanes})):
                        out[vb, {column}] = total[v * {lanes} + d]{scale}
"""

#: Columns that are added up in registers at a time.
_GROUP = 64


def bag_from_offsets(
    rows: int,
    dim: int,
    dtype: str,
    index_dtype: str,
    offset_dtype: str,
    *,
    mean: bool,
    weighted: bool,
    include_last_offset: bool,
    padding_idx: int = -1,
) -> tirx.PrimFunc:
    """Kernel for bags cut at offsets: ``(table, indices[, weights], offsets) -> out[bags, dim]``.

    Bag lengths depend on data, so the reduction is a loop inside an opaque block, which no
    schedule can change: it is written as it is to run. A mean of an empty bag is zero, as in
    PyTorch.
    """
    lanes = next(n for n in (16, 8, 4, 2, 1) if dim % n == 0)
    group = max(g for g in range(lanes, _GROUP + 1, lanes) if dim % g == 0)
    column = f"g * {group} + v * {lanes} + d"
    row = "indices[begin + hot]"
    term = f"table[{row}, {column}]"
    if weighted:
        term += " * weights[begin + hot]"
    if padding_idx >= 0:
        term = f"T.if_then_else({row} != {padding_idx}, {term}, T.{dtype}(0))"
    following = "offsets[T.min(vb + T.int64(1), bags - T.int64(1))]"
    end = f"T.if_then_else(vb + T.int64(1) < bags, T.int64({following}), count)"
    if include_last_offset:
        end = "T.int64(offsets[vb + T.int64(1)])"
    reads = [
        f"table[0:T.int64({rows}), 0:T.int64({dim})]",
        "indices[0:count]",
        "offsets[0:cuts]",
        *(["weights[0:count]"] if weighted else []),
    ]
    params = ["var_table", "var_indices", *(["var_weights"] if weighted else []), "var_offsets"]
    source = _FROM_OFFSETS.format(
        params=", ".join(f"{p}: T.handle" for p in [*params, "var_out"]),
        rows=rows,
        dim=dim,
        dtype=dtype,
        itype=index_dtype,
        otype=offset_dtype,
        weights=f'weights = T.match_buffer(var_weights, (count,), "{dtype}")' if weighted else "",
        reads=", ".join(reads),
        end=end,
        groups=dim // group,
        group=group,
        vectors=group // lanes,
        lanes=lanes,
        term=term,
        column=column,
        scale=f' / T.Cast("{dtype}", T.max(end - begin, T.int64(1)))' if mean else "",
    )
    return from_source(source, extra_vars={"T": script})
