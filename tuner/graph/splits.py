"""Turns the parts of a split into slices, which fuse with whatever reads them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tuner.graph.rewrite import calls, fixed


def lower_splits(mod: tvm.IRModule) -> tvm.IRModule:
    """Rewrite ``split(x)[i]`` of ``main`` to a slice of ``x``."""
    walker = _Splits(mod)
    walker.builder_.update_func(mod.get_global_var("main"), walker.visit_expr(mod["main"]))
    return relax.transform.DeadCodeElimination(["main"])(walker.builder_.get())


@mutator
class _Splits(PyExprMutator):  # type: ignore[misc]
    def visit_tuple_getitem_(self, item: relax.TupleGetItem) -> relax.Expr:
        item = super().visit_tuple_getitem_(item)
        source = item.tuple_value
        split = self.lookup_binding(source) if isinstance(source, relax.Var) else source
        if not calls(split, "split"):
            return item
        x = split.args[0]
        axis = int(split.attrs.axis) % len(x.ty.shape)
        extent = fixed(x.ty.shape[axis])
        if extent is None:
            return item
        begin, end = _bounds(extent, split.attrs.indices_or_sections)[int(item.index)]
        return relax.op.strided_slice(x, [axis], [begin], [end])


def _bounds(extent: int, parts: Any) -> list[tuple[int, int]]:
    """First and last-but-one row of each part."""
    if isinstance(parts, (int, tvm.tirx.IntImm)):
        size = -(-extent // int(parts))
        cuts = list(range(size, extent, size))
    else:
        cuts = [int(i) for i in parts]
    edges = [0, *cuts, extent]
    return list(pairwise(edges))
