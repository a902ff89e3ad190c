"""Turns softmax along the last axis into our own, which element-wise consumers fuse into."""

from __future__ import annotations

from tvm import relax

from tuner.graph.rewrite import Lookup, call_kernel, calls, fixed
from tuner.ops import softmax

_OUT_EWISE_FUSABLE = 4


def rewrite_softmaxes(
    builder: relax.BlockBuilder, call: relax.Call, lookup: Lookup
) -> relax.Expr | None:
    """Rewrite ``softmax(x, axis=-1)``; see `tuner.graph.rewrite.Rewriter`."""
    if not calls(call, "nn.softmax"):
        return None
    (x,) = call.args
    shape = list(x.ty.shape)
    if len(shape) < 2 or str(x.ty.dtype) != "float32" or fixed(shape[-1]) is None:
        return None
    if int(call.attrs.axis) % len(shape) != len(shape) - 1:
        return None
    return call_kernel(builder, softmax, x, name="softmax", pattern=_OUT_EWISE_FUSABLE)
