"""Compiled checks of row numbers: an input is copied, and the copy is checked.

Kernels read the copy, so that what was checked is what is read, whatever the caller's other
threads do to the original meanwhile. The check is a function of its own, which never sees the
original: of one loop that copies and checks LLVM makes a copy and a check that reads again.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

#: TVM's expressions carry no types.
_Expr: TypeAlias = Any

_ONE = tirx.IntImm("int64", 1)


def check_function(dtype: str, rows: np.ndarray) -> tirx.PrimFunc:
    """Build ``(numbers, limits, rows, status)``: status becomes 1 if a row number is outside.

    Parameters
    ----------
    dtype
        Of the input; kernels truncate floats towards zero, so that all above -1 count from row 0.
    rows
        Number of rows of the table that each element of an example indexes; 0 where it is free.
        One number for all becomes part of the code, which then ignores ``limits``.
    """
    limits_differ = np.unique(rows).size > 1
    with IRBuilder() as builder, tir.prim_func(is_private=True, s_tir=True):
        tir.func_name("check")
        tir.func_attr({"tirx.noalias": True})
        numbers, bounds = tir.arg("p", tir.handle(dtype)), tir.arg("p_limits", tir.handle("int64"))
        examples = tir.arg("rows", tirx.Var("rows", "int64"))
        verdict = tir.arg("p_status", tir.handle("int32"))
        count = tirx.IntImm("int64", rows.size)
        values = _view(numbers, examples * count, dtype)
        limits, status = _view(bounds, count, "int64"), _view(verdict, _ONE, "int32")
        bad = tir.alloc_buffer((_ONE,), "int32")
        tir.buffer_store(bad, tirx.const(0, "int32"), [0])
        if limits_differ:
            with tir.serial(examples) as r, tir.serial(count) as j:
                outside = _outside(values[r * count + j], dtype, limits[j])
                if not rows.all():
                    outside = (limits[j] > 0).astype("int32") * outside
                tir.buffer_store(bad, bad[0] | outside, [0])
        else:
            with tir.serial(examples * count) as i:
                limit = tirx.IntImm("int64", int(rows.flat[0]))
                tir.buffer_store(bad, bad[0] | _outside(values[i], dtype, limit), [0])
        tir.buffer_store(status, status[0] | bad[0], [0])
    return builder.get()


def _outside(value: _Expr, dtype: str, limit: _Expr) -> _Expr:
    """1 if a value is no row number below `limit`, else 0."""
    if np.issubdtype(np.dtype(dtype), np.floating):
        # Two comparisons that NaN fails, as numbers: TVM would negate them as conditions.
        wide = value.astype("float64")
        above = (wide > tirx.const(-1, "float64")).astype("int32")
        below = (wide < limit.astype("float64")).astype("int32")
        return tirx.const(1, "int32") - above * below
    # Numbers below zero are the largest ones without a sign.
    return (value.astype("int64").astype("uint64") >= limit.astype("uint64")).astype("int32")


def _view(pointer: _Expr, count: _Expr, dtype: str) -> _Expr:
    return tir.decl_buffer((count,), dtype, data=pointer)
