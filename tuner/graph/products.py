"""Turns products of two activations into our batched matrix product."""

from __future__ import annotations

from collections.abc import Callable

from tvm import relax

from tuner.graph.rewrite import fixed, op_name
from tuner.ops import batched_matmul

_OUT_EWISE_FUSABLE = 4


def rewrite_products(
    builder: relax.BlockBuilder,
    call: relax.Call,
    lookup: Callable[[relax.Expr], relax.Expr | None],
) -> relax.Expr | None:
    """Rewrite ``matmul(x, y)`` of two 3-D activations; see `tuner.graph.rewrite.Rewriter`."""
    if op_name(call) != "relax.matmul":
        return None
    x, y = call.args
    if len(x.ty.shape) != 3 or len(y.ty.shape) != 3 or str(x.ty.dtype) != "float32":
        return None
    if not _same(x.ty.shape[0], y.ty.shape[0]):
        return None
    if any(fixed(d) is None for d in (*x.ty.shape.values[1:], *y.ty.shape.values[1:])):
        return None
    bound = lookup(y) if isinstance(y, relax.Var) else None
    transpose = op_name(bound) == "relax.permute_dims" and [
        int(a) for a in bound.attrs.axes or (2, 1, 0)
    ] == [0, 2, 1]
    return builder.call_te(
        batched_matmul,
        x,
        bound.args[0] if transpose else y,
        transpose_y=transpose,
        primfunc_name_hint="batched_matmul",
        primfunc_attrs={"op_pattern": _OUT_EWISE_FUSABLE},
    )


def _same(left: object, right: object) -> bool:
    if fixed(left) is not None or fixed(right) is not None:
        return fixed(left) == fixed(right)
    return bool(left.same_as(right))  # type: ignore[attr-defined]
