"""Computes chosen products of pairs, and nothing else; reads chosen elements of other matrices.

``z[:, i, j]`` is imported as a gather of columns of the flattened ``z``. Where ``z`` is ``x @ x^T``
and the pairs are constant, the products that are picked are computed straight in their order.
Other matrices are read directly: TVM would take the flattening apart again by dividing every
index, for every row; with constant indices it is done once, here.
"""

from __future__ import annotations

import numpy as np
from tvm import relax

from tuner.graph.products import untransposed
from tuner.graph.rewrite import Lookup, calls, constant_array, fixed
from tuner.ops import PairDots, pair_dots, pick_pairs, runs_of

_INJECTIVE = 2
#: More vectors than this, or runs that are shorter on average, are left to a whole product.
_MOST_VECTORS = 128
_SHORTEST_RUNS = 4


def rewrite_pairs(
    builder: relax.BlockBuilder, call: relax.Call, lookup: Lookup
) -> relax.Expr | None:
    """Rewrite ``take(reshape(x, [B, M * N]), constant, axis=1)`` as it stands after import."""
    rows = lookup(call.args[0]) if _swaps(call) else None
    if (
        rows is None
        or not calls(rows, "call_tir")
        or not rows.args[0].name_hint.startswith("gather")
    ):
        return None
    table, index = rows.args[1].fields
    columns, picked = lookup(table), constant_array(index)
    if picked is None or picked.ndim != 1 or columns is None or not _swaps(columns):
        return None
    flat = lookup(columns.args[0])
    if flat is None or not calls(flat, "reshape"):
        return None
    matrices = flat.args[0]
    shape = list(matrices.ty.shape.values)
    if len(shape) != 3 or fixed(shape[1]) is None or fixed(shape[2]) is None:
        return None
    if fixed(flat.ty.shape[1]) != int(shape[1]) * int(shape[2]):
        return None
    first, second = np.divmod(picked.astype(np.int64), int(shape[2]))
    dots = _dots(builder, matrices, first, second, lookup)
    if dots is not None:
        return dots
    return builder.call_te(
        pick_pairs,
        matrices,
        relax.const(first, "int64"),
        relax.const(second, "int64"),
        primfunc_name_hint="pick_pairs",
        primfunc_attrs={"op_pattern": _INJECTIVE},
    )


def _dots(
    builder: relax.BlockBuilder,
    matrices: relax.Expr,
    first: np.ndarray,
    second: np.ndarray,
    lookup: Lookup,
) -> relax.Expr | None:
    """The products themselves, if `matrices` are those of vectors with each other."""
    product = lookup(matrices)
    if not calls(product, "matmul"):
        return None
    x = product.args[0]
    other, transposed = untransposed(product.args[1], lookup)
    batch, vectors, depth = x.ty.shape
    if not transposed or not other.same_as(x) or str(x.ty.dtype) != "float32":
        return None
    if fixed(vectors) is None or fixed(depth) is None or int(vectors) > _MOST_VECTORS:
        return None
    runs = runs_of(first, second)
    if len(runs) * _SHORTEST_RUNS > max(len(first), _SHORTEST_RUNS * int(vectors)):
        return None
    operator = PairDots(tuple(runs))
    callee = builder.add_func(pair_dots(int(vectors), int(depth), [], operator), "pair_dots")
    return relax.call_tir(callee, [x], relax.TensorType([batch, operator.width], "float32"))


def _swaps(call: relax.Expr | None) -> bool:
    """True for a transposition of a matrix."""
    return calls(call, "permute_dims") and [int(a) for a in call.attrs.axes or (1, 0)] == [1, 0]
