"""Moves reshapes behind the gathers and element-wise operators that follow them.

TVM does not fuse through a reshape, so that a bias or an activation behind one would be a kernel
of its own. Behind them it is a view, which costs nothing.
"""

from __future__ import annotations

from math import prod

from tvm import relax
from tvm_ffi import structural_equal

from tuner.graph.gathers import gather_rows
from tuner.graph.rewrite import Lookup, calls, fixed, kernel_name

_UNARY = (
    *("abs", "ceil", "clip", "cos", "erf", "exp", "floor", "log", "negative", "round", "rsqrt"),
    *("sigmoid", "sign", "sin", "sqrt", "square", "tanh"),
    *(f"nn.{name}" for name in ("gelu", "gelu_tanh", "leakyrelu", "relu", "relu6", "selu", "silu")),
    "nn.softplus",
)
_BINARY = ("add", "divide", "maximum", "minimum", "multiply", "power", "subtract")
RESHAPES = ("expand_dims", "flatten", "reshape", "squeeze")


def rewrite_reshapes(
    builder: relax.BlockBuilder, call: relax.Call, lookup: Lookup
) -> relax.Expr | None:
    """Rewrite ``f(reshape(x))`` to ``reshape(f(x))``; see `tuner.graph.rewrite.Rewriter`."""
    if calls(call, *RESHAPES):
        return _merged(call, lookup)
    if kernel_name(call).startswith("gather"):
        return _gathered(builder, call, lookup)
    if calls(call, *_UNARY):
        return _behind(builder, call, 0, lookup)
    if calls(call, *_BINARY):
        for place in (0, 1):
            if _moves_alone(call.args[1 - place], call, lookup(call.args[place])):
                return _behind(builder, call, place, lookup)
    return None


def _merged(call: relax.Call, lookup: Lookup) -> relax.Expr | None:
    """One reshape in place of two, none in place of one to the same shape."""
    source = call.args[0]
    inner = lookup(source)
    if calls(inner, *RESHAPES):
        source = inner.args[0]
    if structural_equal(source.ty, call.ty):
        return source
    if source.same_as(call.args[0]):
        return None
    return relax.op.reshape(source, call.ty.shape)


def _gathered(builder: relax.BlockBuilder, call: relax.Call, lookup: Lookup) -> relax.Expr | None:
    """Gather by the indices as they came: torch flattens them before, and reshapes the rows."""
    table, indices = call.args[1].fields
    inner = lookup(indices)
    if not calls(inner, *RESHAPES):
        return None
    rows = gather_rows(builder, table, inner.args[0])
    return relax.op.reshape(builder.emit(rows), call.ty.shape)


def _behind(
    builder: relax.BlockBuilder, call: relax.Call, place: int, lookup: Lookup
) -> relax.Expr | None:
    inner = lookup(call.args[place])
    if not calls(inner, *RESHAPES):
        return None
    args = list(call.args)
    args[place] = inner.args[0]
    value = builder.emit(relax.Call(call.op, args, call.attrs, call.ty_args))
    return relax.op.reshape(value, call.ty.shape)


def _moves_alone(other: relax.Expr, call: relax.Call, inner: relax.Expr | None) -> bool:
    """True if `other` broadcasts against the reshaped value as against the value before.

    It does if it is one number, or a row that both have as their last axis.
    """
    if not calls(inner, *RESHAPES) or not hasattr(other.ty, "shape") or other.ty.shape is None:
        return False
    before, after = list(inner.args[0].ty.shape), list(inner.ty.shape)
    if not before or not after or len(after) != len(call.ty.shape):
        return False
    extents = [fixed(d) for d in other.ty.shape]
    if None in extents or len(extents) > min(len(before), len(after)):
        return False
    if prod(d for d in extents if d is not None) == 1:
        return True
    return len(extents) == 1 and fixed(before[-1]) == fixed(after[-1]) == extents[0]
