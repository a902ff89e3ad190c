"""Reads chosen elements of each row's matrix directly, without flattening it first.

``x[:, i, j]`` is imported as a gather of columns of the flattened ``x``. TVM takes the flattening
apart again by dividing every index, for every row; with constant indices it is done once, here.
"""

from __future__ import annotations

import numpy as np
from tvm import relax

from tuner.graph.rewrite import Lookup, calls, constant_array, fixed
from tuner.ops import pick_pairs

_INJECTIVE = 2


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
    return builder.call_te(
        pick_pairs,
        matrices,
        relax.const(first, "int64"),
        relax.const(second, "int64"),
        primfunc_name_hint="pick_pairs",
        primfunc_attrs={"op_pattern": _INJECTIVE},
    )


def _swaps(call: relax.Expr | None) -> bool:
    """True for a transposition of a matrix."""
    return calls(call, "permute_dims") and [int(a) for a in call.attrs.axes or (1, 0)] == [1, 0]
