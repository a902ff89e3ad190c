"""Replaces ``take``: a constant scalar index becomes a slice, anything else our own gather.

A slice is pure data movement, which later passes look through. Our gather is recognised by name
wherever indices have to be checked.
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax

from tuner.graph.constants import ARITHMETIC
from tuner.graph.rewrite import (
    Lookup,
    call_kernel,
    calls,
    constant_array,
    fixed,
    op_name,
    rewrite_calls,
)
from tuner.ops import gather


def lower_takes(mod: tvm.IRModule) -> tvm.IRModule:
    """Rewrite every ``relax.take`` of ``main``."""
    return rewrite_calls(mod, _rewrite)


def _rewrite(
    builder: relax.BlockBuilder,
    call: relax.Call,
    lookup: Lookup,
) -> relax.Expr | None:
    if not calls(call, "take"):
        return None
    data, index = call.args
    axis = call.attrs.axis
    if axis is None:
        data = builder.emit(relax.op.flatten(data))
        axis = 0
    axis = int(axis) % len(data.ty.shape)
    index = _unguarded(builder, index, lookup)
    constant = _evaluated(index, lookup)
    if constant is not None:
        extent = fixed(data.ty.shape[axis])
        if extent is not None:
            constant = np.where(constant < 0, constant + extent, constant)
        index = relax.const(constant.astype("int64"))
        if constant.ndim == 0 and 0 <= constant < (extent or 1):
            at = int(constant)
            row = builder.emit(relax.op.strided_slice(data, [axis], [at], [at + 1]))
            return relax.op.squeeze(row, [axis])
    if axis == 0:
        return gather_rows(builder, data, index)
    rank, picked = len(data.ty.shape), len(index.ty.shape)
    front = builder.emit(
        relax.op.permute_dims(data, [axis, *(a for a in range(rank) if a != axis)])
    )
    rows = builder.emit(gather_rows(builder, front, index))
    # [index..., before axis..., behind it...] -> [before..., index..., behind...]
    before = list(range(picked, picked + axis))
    order = [*before, *range(picked), *range(picked + axis, picked + rank - 1)]
    return relax.op.permute_dims(rows, order)


#: TVM's pattern of an operator that fuses with its neighbours (`kInjective`).
_INJECTIVE = 2


def gather_rows(builder: relax.BlockBuilder, table: relax.Expr, index: relax.Expr) -> relax.Call:
    """Call our gather along axis 0."""
    return call_kernel(builder, gather, table, index, name="gather", pattern=_INJECTIVE)


def _unguarded(builder: relax.BlockBuilder, index: relax.Expr, lookup: Lookup) -> relax.Expr:
    """Undo what exporters do for indices that the boundary refuses.

    ``where(i < 0, i + rows, i)`` lets indices of ONNX count from the end, a cast of it from float
    replaces what is not finite, and torch's importer casts to int32: none of it changes an index
    that was checked to be within the table.
    """
    bound = lookup(index)
    if calls(bound, "where"):
        test, value = lookup(bound.args[0]), bound.args[2]
        wraps = calls(test, "less") and test.args[0].same_as(value)
        finite = calls(test, "logical_not") and calls(lookup(test.args[0]), "isfinite")
        if wraps or finite:
            return _unguarded(builder, value, lookup)
    if calls(bound, "reshape"):
        source = _unguarded(builder, bound.args[0], lookup)
        if not source.same_as(bound.args[0]):
            return builder.emit(relax.op.reshape(source, bound.args[1]))
    if calls(bound, "astype"):
        source = _unguarded(builder, bound.args[0], lookup)
        if str(source.ty.dtype) in ("int32", "int64"):
            return source
        if not source.same_as(bound.args[0]):
            return builder.emit(relax.op.astype(source, bound.attrs.dtype))
    return index


def _evaluated(expr: relax.Expr, lookup: Lookup) -> np.ndarray | None:
    """The value of an index that is computed from constants alone, or None."""
    bound = lookup(expr)
    if not isinstance(bound, relax.Call):
        return constant_array(expr if bound is None else bound)
    operation = ARITHMETIC.get(op_name(bound).removeprefix("relax."))
    if operation is None and not calls(bound, "astype"):
        return None
    values = [_evaluated(a, lookup) for a in bound.args]
    if any(v is None for v in values):
        return None
    return operation(*values) if operation is not None else values[0]
