"""Computes what depends on constants alone.

TVM's ``FoldConstant`` legalizes every operator of the graph to find out, and compiles a kernel for
each that it folds: a second for a model whose only constants are the indices of pairs. Arithmetic
of whole numbers, which is exact, is done by numpy here; TVM's pass runs if anything is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tvm
from tvm import relax

from tuner.graph.rewrite import Lookup, constant_array, fixed, op_name, rewrite_calls

#: Element by element, by the operator's name in Relax.
ARITHMETIC: dict[str, Callable[..., np.ndarray]] = {
    "add": np.add,
    "less": np.less,
    "multiply": np.multiply,
    "subtract": np.subtract,
    "where": np.where,
}


def fold_constants(mod: tvm.IRModule) -> tvm.IRModule:
    """Replace what depends on constants alone by its value."""
    if not _constant_calls(mod):
        return mod
    folded = relax.transform.CanonicalizeBindings()(rewrite_calls(mod, _fold))
    return relax.transform.FoldConstant()(folded) if _constant_calls(folded) else folded


def _constant_calls(mod: tvm.IRModule) -> bool:
    """True if ``main`` computes anything of a fixed size from no variable."""
    return any(
        isinstance(binding.value, relax.Call)
        and _extents(binding.value) is not None
        and not any(isinstance(leaf, relax.Var) for leaf in _leaves(binding.value.args))
        for block in mod["main"].body.blocks
        for binding in block.bindings
        if isinstance(binding, relax.VarBinding)
    )


def _leaves(args: Iterable[relax.Expr]) -> Iterator[relax.Expr]:
    for arg in args:
        if isinstance(arg, relax.Tuple):
            yield from _leaves(arg.fields)
        else:
            yield arg


def _extents(call: relax.Call) -> tuple[int, ...] | None:
    """Shape of what a call computes, if it is one tensor of a fixed size."""
    if not isinstance(call.ty, relax.TensorType) or call.ty.shape is None:
        return None
    extents = [fixed(d) for d in call.ty.shape]
    return None if None in extents else tuple(int(e or 0) for e in extents)


def _fold(_: relax.BlockBuilder, call: relax.Call, lookup: Lookup) -> relax.Expr | None:
    """Evaluate arithmetic of whole numbers, and cuts and reshapes of it."""
    shape, name = _extents(call), op_name(call).removeprefix("relax.")
    if shape is None or not call.args:
        return None
    first = _constant(call.args[0], lookup)
    if first is None:
        return None
    if name in ARITHMETIC:
        values = [_constant(arg, lookup) for arg in call.args]
        if any(v is None for v in values):
            return None
        value = ARITHMETIC[name](*values)
    elif name in ("astype", "reshape", "squeeze"):
        value = first.reshape(shape)
    elif name == "strided_slice" and len(call.args) == 4:
        value = first[_slices(first.ndim, call.args[1:])]
    else:
        return None
    if value.shape != shape:
        return None
    return relax.const(value.astype(str(call.ty.dtype)), str(call.ty.dtype))


def _constant(expr: relax.Expr, lookup: Lookup) -> np.ndarray | None:
    value = constant_array(expr if (bound := lookup(expr)) is None else bound)
    return value if value is not None and value.dtype.kind in "biu" else None


def _slices(rank: int, cuts: Sequence[relax.Tuple]) -> tuple[slice, ...]:
    slices = [slice(None)] * rank
    for axis, begin, end in zip(*(cut.fields for cut in cuts), strict=True):
        slices[int(axis)] = slice(int(begin), int(end))
    return tuple(slices)
