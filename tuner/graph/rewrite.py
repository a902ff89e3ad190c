"""Small helpers that every graph pass here uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

#: What a rewriter does with a call: a new expression, or None to leave it as it is.
Rewriter = Callable[[relax.BlockBuilder, relax.Call, Callable[[relax.Expr], "relax.Expr | None"]],
                    "relax.Expr | None"]


def constant_array(expr: relax.Expr | None) -> np.ndarray | None:
    """The value of a tensor constant, or None if `expr` is none."""
    if not isinstance(expr, tvm.ir.Constant):
        return None
    value = expr.value
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def op_name(expr: relax.Expr | None) -> str:
    """Name of the operator that `expr` calls, or the empty string."""
    return getattr(expr.op, "name", "") if isinstance(expr, relax.Call) else ""


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
        new = self._rewriter(self.builder_, call, self.lookup_binding)
        return call if new is None else new


def rewrite_calls(mod: tvm.IRModule, rewriter: Rewriter) -> tvm.IRModule:
    """Rebuild ``main`` with each call replaced by what `rewriter` makes of it."""
    walker = _Mutator(mod, rewriter)
    walker.builder_.update_func(mod.get_global_var("main"), walker.visit_expr(mod["main"]))
    return walker.builder_.get()
