"""Functions to derive sketches from, as the importer makes them."""

from __future__ import annotations

import tvm
from tvm import te, tirx, topi

from tuner.ops import dense, packed_shape
from tuner.workloads.digest import normalise


def dense_function(batch: int = 4, depth: int = 16, outputs: int = 32) -> tirx.PrimFunc:
    """``relu(x @ w^T + b)`` on packed weights."""
    x = te.placeholder((batch, depth), name="x")
    w = te.placeholder(packed_shape(outputs, depth), name="w")
    b = te.placeholder((outputs,), name="b")
    y = dense(x, w, outputs)
    biased = te.compute((batch, outputs), lambda i, j: b[j] + y[i, j], name="T_add")
    zero = tirx.const(0.0, "float32")
    out = te.compute((batch, outputs), lambda i, j: tirx.max(biased[i, j], zero), name="compute")
    return made(x, w, b, out)


def softmax_function(rows: int = 4, columns: int = 32, *, axis: int = -1) -> tirx.PrimFunc:
    """A softmax, over the last axis if not told otherwise."""
    x = te.placeholder((rows, columns), name="x")
    return made(x, topi.nn.softmax(x, axis=axis))


def add_function(rows: int = 4, columns: int = 32) -> tirx.PrimFunc:
    """A sum of two tensors, which leaves few choices."""
    x = te.placeholder((rows, columns), name="x")
    return made(x, te.compute((rows, columns), lambda i, j: x[i, j] + x[i, j], name="T_add"))


def many_sums(count: int) -> tirx.PrimFunc:
    """Reductions beside each other."""
    inputs = [te.placeholder((4, 8), name=f"x{i}") for i in range(count)]
    sums = [topi.sum(x, axis=1) for x in inputs]
    out = te.compute((4,), lambda i: sum((s[i] for s in sums[1:]), sums[0][i]), name="T_add")
    return made(*inputs, out)


def made(*tensors: te.Tensor) -> tirx.PrimFunc:
    return normalise(te.create_prim_func(list(tensors)))


def text(func: tirx.PrimFunc) -> str:
    """As the database stores it."""
    return str(tvm.ir.save_json(func))
