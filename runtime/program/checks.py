"""Compiled checks of row numbers: each input is copied while it is checked.

Kernels read the copy, so that what was checked is what is read, whatever the caller's other
threads do to the original meanwhile.
"""

from __future__ import annotations

import functools

import numpy as np
from tvm import tirx
from tvm.script import from_source
from tvm.script import tirx as script

_CHECK = """
@T.prim_func(private=True, s_tir=True)
def check(p_from: T.handle("{dtype}"), p_to: T.handle("{dtype}"), p_limits: T.handle("int64"),
          rows: T.int64, p_status: T.handle("int32")):
    T.func_attr({{"tirx.noalias": True}})
    source = T.decl_buffer((rows * T.int64({count}),), "{dtype}", data=p_from)
    to = T.decl_buffer((rows * T.int64({count}),), "{dtype}", data=p_to)
    limits = T.decl_buffer((T.int64({count}),), "int64", data=p_limits)
    status = T.decl_buffer((T.int64(1),), "int32", data=p_status)
    bad = T.alloc_buffer((T.int64(1),), "int32")
    bad[0] = T.int32(0)
    for r in range(rows):
        for j in range(T.int64({count})):
            value: T.let[T.{dtype}] = source[r * T.int64({count}) + j]
            to[r * T.int64({count}) + j] = value
            bad[0] = bad[0] | ({outside})
    status[0] = status[0] | bad[0]
"""


def check_function(dtype: str, rows: np.ndarray) -> tirx.PrimFunc:
    """Build ``(from, to, limits, rows, status)``: status becomes 1 if a row number is outside.

    Parameters
    ----------
    dtype
        Of the input; kernels truncate floats towards zero, so that all above -1 count from row 0.
    rows
        Number of rows of the table that each element of an example indexes; 0 where it is free.
        One number for all becomes part of the code, which then ignores ``limits``.
    """
    count = rows.size
    same = np.unique(rows)
    limit = f"T.int64({int(same[0])})" if same.size == 1 else "limits[j]"
    if np.issubdtype(np.dtype(dtype), np.floating):
        # Two comparisons that NaN fails, as numbers: TVM would negate them as conditions.
        wide = 'T.Cast("float64", value)'
        above = f'T.Cast("int32", {wide} > T.float64(-1))'
        below = f'T.Cast("int32", {wide} < T.Cast("float64", {limit}))'
        outside = f"T.int32(1) - {above} * {below}"
    else:
        # Numbers below zero are the largest ones without a sign.
        number = 'T.Cast("uint64", T.Cast("int64", value))'
        outside = f'T.Cast("int32", {number} >= T.Cast("uint64", {limit}))'
    if same.size > 1 and same[0] == 0:
        outside = f'T.Cast("int32", {limit} > T.int64(0)) * ({outside})'
    return _parsed(_CHECK.format(dtype=dtype, count=count, outside=outside))


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> tirx.PrimFunc:
    """Buckets check alike, and TVM reads scripts slowly."""
    return from_source(text, extra_vars={"T": script})
