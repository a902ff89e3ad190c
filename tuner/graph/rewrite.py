"""Small helpers that every graph pass here uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

import numpy as np
import tvm
from tvm import relax
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
        return self.lookup_binding(expr) if isinstance(expr, relax.Var) else None


def rewrite_calls(mod: tvm.IRModule, rewriter: Rewriter) -> tvm.IRModule:
    """Rebuild ``main`` with each call replaced by what `rewriter` makes of it."""
    walker = _Mutator(mod, rewriter)
    walker.builder_.update_func(mod.get_global_var("main"), walker.visit_expr(mod["main"]))
    return walker.builder_.get()
