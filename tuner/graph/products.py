"""Turns products of two activations into our batched matrix product."""

from __future__ import annotations

from math import prod

from tvm import relax

from tuner.graph.rewrite import Lookup, call_kernel, calls, fixed
from tuner.ops import batched_matmul

_OUT_EWISE_FUSABLE = 4


def rewrite_products(
    builder: relax.BlockBuilder, call: relax.Call, lookup: Lookup
) -> relax.Expr | None:
    """Rewrite ``matmul(x, y)`` of two stacks of matrices; see `tuner.graph.rewrite.Rewriter`.

    Stacks of several axes, such as the heads of an attention, are flattened to one.
    """
    if not calls(call, "matmul"):
        return None
    x, y = call.args
    rank = len(x.ty.shape)
    if rank < 3 or len(y.ty.shape) != rank or str(x.ty.dtype) != "float32":
        return None
    stack = list(x.ty.shape)[:-2]
    if not all(_same(a, b) for a, b in zip(stack, y.ty.shape, strict=False)):
        return None
    if any(fixed(d) is None for v in (x, y) for d in list(v.ty.shape)[1:]):
        return None
    y, transpose = untransposed(y, lookup)
    if rank > 3:
        flat = stack[0] * prod(int(d) for d in stack[1:])
        x, y = (builder.emit(relax.op.reshape(v, [flat, *list(v.ty.shape)[-2:]])) for v in (x, y))
    out = call_kernel(
        builder,
        batched_matmul,
        x,
        y,
        transpose_y=transpose,
        name="batched_matmul",
        pattern=_OUT_EWISE_FUSABLE,
    )
    return out if rank == 3 else relax.op.reshape(builder.emit(out), list(call.ty.shape))


def untransposed(y: relax.Expr, lookup: Lookup) -> tuple[relax.Expr, bool]:
    """Look through a transposition of the last two axes."""
    bound = lookup(y)
    if not calls(bound, "permute_dims"):
        return y, False
    rank = len(y.ty.shape)
    axes = [int(a) for a in bound.attrs.axes or reversed(range(rank))]
    swapped = [*range(rank - 2), rank - 1, rank - 2]
    return (bound.args[0], True) if axes == swapped else (y, False)


def _same(left: object, right: object) -> bool:
    if fixed(left) is not None or fixed(right) is not None:
        return fixed(left) == fixed(right)
    return bool(left.same_as(right))  # type: ignore[attr-defined]
