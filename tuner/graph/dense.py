"""Turns matrix products with a weight into our dense layers, and notes how to pack each weight."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from tvm import relax

from tuner.graph.rewrite import Lookup, call_kernel, calls
from tuner.ops import (
    LANES,
    NARROW,
    dense,
    dense_narrow,
    pack_dense,
    pack_narrow,
    packed_shape,
)

#: TVM's pattern of an operator that takes element-wise consumers in (`kOutEWiseFusable`).
_OUT_EWISE_FUSABLE = 4


@dataclass(frozen=True, slots=True)
class WeightLayout:
    """How one parameter of the model becomes one parameter of the kernels."""

    #: Name of the model's parameter.
    param: str
    #: ``"plain"``, ``"panels"`` (`tuner.ops.dense`) or ``"rows"`` (`tuner.ops.dense_narrow`).
    layout: str
    #: True if the model stores the weight as ``[K, N]``.
    transposed: bool
    #: Shape and dtype the kernels expect.
    shape: tuple[int, ...]
    dtype: str

    def pack(self, array: np.ndarray) -> np.ndarray:
        """Bring a model's weight into this layout; C-contiguous."""
        if self.layout == "panels":
            return pack_dense(array, transposed=self.transposed)
        if self.layout == "rows":
            return pack_narrow(array, transposed=self.transposed)
        return np.ascontiguousarray(array)


class DenseRewriter:
    """Rewrites ``matmul(x, w)`` and ``matmul(x, permute_dims(w))`` for parameters `w`.

    Parameters
    ----------
    names
        Name of the model's parameter by variable of ``main``.
    """

    def __init__(self, names: dict[relax.Var, str]) -> None:
        self._names = names
        #: New parameters of ``main``, by (parameter, layout), in the order of their first use.
        self.packed: dict[tuple[str, str, bool], tuple[relax.Var, WeightLayout]] = {}

    def __call__(
        self,
        builder: relax.BlockBuilder,
        call: relax.Call,
        lookup: Lookup,
    ) -> relax.Expr | None:
        """See `tuner.graph.rewrite.Rewriter`."""
        if not calls(call, "matmul"):
            return None
        x, right = call.args
        right = _unrepeated(right, lookup)
        weight, transposed = right, True
        bound = lookup(right)
        if calls(bound, "permute_dims") and _swaps(bound):
            weight, transposed = bound.args[0], False
        if weight not in self._names or len(weight.ty.shape) != 2 or len(x.ty.shape) < 2:
            return None
        if str(x.ty.dtype) != "float32" or str(weight.ty.dtype) != "float32":
            return None
        stored = [int(d) for d in weight.ty.shape]
        k, n = stored if transposed else reversed(stored)
        rows = list(x.ty.shape.values)[:-1]
        if len(rows) > 1:
            x = builder.emit(relax.op.reshape(x, [prod(rows[1:], start=rows[0]), k]))
        packed = self._parameter(weight, n, k, transposed)
        kernel = dense_narrow if n < NARROW else dense
        options = {} if n < NARROW else {"n": n}
        out = call_kernel(
            builder, kernel, x, packed, name=kernel.__name__, pattern=_OUT_EWISE_FUSABLE, **options
        )
        if len(rows) > 1:
            return relax.op.reshape(builder.emit(out), [*rows, n])
        return out

    def _parameter(self, weight: relax.Var, n: int, k: int, transposed: bool) -> relax.Var:
        narrow = n < NARROW
        layout = "rows" if narrow else "panels"
        key = (self._names[weight], layout, transposed)
        if key not in self.packed:
            shape = (n, -(-k // LANES) * LANES) if narrow else packed_shape(n, k)
            self.packed[key] = (
                relax.Var(f"{weight.name}_{layout}", relax.TensorType(list(shape), "float32")),
                WeightLayout(self._names[weight], layout, transposed, shape, "float32"),
            )
        return self.packed[key][0]


def _unrepeated(right: relax.Expr, lookup: Lookup) -> relax.Expr:
    """The matrix behind a stack of copies of it: torch multiplies by such in an attention."""
    bound = lookup(right)
    if calls(bound, "broadcast_to") and len(bound.args[0].ty.shape) == 2:
        return bound.args[0]
    return right


def _swaps(permute: relax.Call) -> bool:
    """True for the transposition of a matrix."""
    axes = permute.attrs.axes
    return len(permute.ty.shape) == 2 and [int(a) for a in axes or (1, 0)] == [1, 0]
