"""Small helpers that every graph pass here uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

import numpy as np
import tvm
from tvm import relax, te, tirx
from tvm.relax.expr_functor import PyExprMutator, mutator

#: What a variable is bound to, or None.
Lookup = Callable[[relax.Expr], "relax.Expr | None"]

#: What a rewriter does with a call: a new expression, or None to leave it as it is.
Rewriter = Callable[[relax.BlockBuilder, relax.Call, Lookup], "relax.Expr | None"]


def constant_array(expr: relax.Expr | None) -> np.ndarray | None:
    """The value of a tensor constant, or None if `expr` is none."""
    if not isinstance(expr, tvm.ir.Constant):
        return None
    value = expr.value
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def op_name(expr: relax.Expr | None) -> str:
    """Name of the operator that `expr` calls, or the empty string."""
    return str(getattr(expr.op, "name", "")) if isinstance(expr, relax.Call) else ""


def calls(expr: relax.Expr | None, *names: str) -> TypeGuard[relax.Call]:
    """True if `expr` is a call of one of the operators `names`, as in ``"matmul"``."""
    return op_name(expr).removeprefix("relax.") in names


def kernel_name(expr: relax.Expr | None) -> str:
    """Name of the TIR function that `expr` calls, or the empty string."""
    return str(expr.args[0].name_hint) if calls(expr, "call_tir") else ""


def fixed(extent: object) -> int | None:
    """A static extent, or None for a symbolic one."""
    return int(extent) if isinstance(extent, (int, tvm.tirx.IntImm)) else None


def call_kernel(
    builder: relax.BlockBuilder,
    kernel: Callable[..., te.Tensor],
    *args: relax.Expr,
    name: str,
    pattern: int | None = None,
    **options: object,
) -> relax.Call:
    """Call a kernel given in tensor expressions, as ``BlockBuilder.call_te`` does.

    Each open extent becomes one variable of the kernel, even if it is a product such as
    ``5 * batch``: `call_te` would pass the batch as an argument, and then TVM cannot specialise
    the kernel for a bucket.

    Parameters
    ----------
    pattern
        How it fuses, one of TVM's ``OpPatternKind``; None lets TVM find out.
    """
    variables: dict[str, tirx.Var] = {}
    extents: dict[tirx.Var, tvm.ir.Expr] = {}

    def extent(size: tvm.ir.Expr) -> tvm.ir.Expr:
        if fixed(size) is not None:
            return tirx.const(int(size), "int64")
        key = str(size)
        if key not in variables:
            variables[key] = tirx.Var(f"n{len(variables)}", "int64")
            extents[variables[key]] = size
        return variables[key]

    inputs = [
        te.placeholder([extent(d) for d in arg.ty.shape], str(arg.ty.dtype), name=f"p{i}")
        for i, arg in enumerate(args)
    ]
    result = kernel(*inputs, **options)
    func = te.create_prim_func([*inputs, result], "int64").without_attr("global_symbol")
    if pattern is not None:
        func = func.with_attr("op_pattern", pattern)
    shape = [d if fixed(d) is not None else extents[d] for d in result.shape]
    callee = builder.add_func(func.with_attr("tirx.noalias", True), name)
    return relax.call_tir(callee, list(args), relax.TensorType(shape, str(result.dtype)))


@mutator
class _Mutator(PyExprMutator):  # type: ignore[misc]
    def __init__(self, mod: tvm.IRModule, rewriter: Rewriter) -> None:
        super().__init__(mod)
        self._rewriter = rewriter

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = super().visit_call_(call)
        new = self._rewriter(self.builder_, call, self._bound)
        return call if new is None else new

    def _bound(self, expr: relax.Expr) -> relax.Expr | None:
        # A rewritten call may have become another variable.
        while isinstance(expr, relax.Var):
            expr = self.lookup_binding(expr)
        return expr


def rewrite_calls(mod: tvm.IRModule, rewriter: Rewriter) -> tvm.IRModule:
    """Rebuild ``main`` with each call replaced by what `rewriter` makes of it."""
    walker = _Mutator(mod, rewriter)
    walker.builder_.update_func(mod.get_global_var("main"), walker.visit_expr(mod["main"]))
    return walker.builder_.get()
