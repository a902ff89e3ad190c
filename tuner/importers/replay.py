"""Replays data movement on the positions of input elements instead of on their values.

Open dimensions get small extents of their own while replaying, so that what comes out can be
told apart by axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tvm
from tvm import relax

from tuner.graph.rewrite import calls, op_name
from tuner.importers.model import BATCH, InputSpec

#: Input and the positions of its elements, in the shape of the expression that holds them.
Origin = tuple[str, np.ndarray]

#: Extents put in for the batch and for any other open dimension.
_ROWS, _OTHER = 2, 3


class Replay:
    """Tells for each expression of ``main`` which elements of which input it holds."""

    def __init__(self, main: relax.Function, specs: tuple[InputSpec, ...]) -> None:
        self.bindings: dict[relax.Var, relax.Expr] = {
            binding.var: getattr(binding, "value", None)
            for block in main.body.blocks
            for binding in block.bindings
        }
        #: Shape of each input while replaying.
        self.shapes: dict[str, tuple[int, ...]] = {}
        #: The operator at which the last search ended.
        self.why = ""
        self._extents: dict[Any, int] = {}
        self._known: dict[relax.Var, Origin | None] = {}
        for var, spec in zip(main.params, specs, strict=False):
            shape = tuple(self._size(e, s) for e, s in zip(var.ty.shape, spec.shape, strict=True))
            self.shapes[spec.name] = shape
            self._known[var] = (spec.name, np.arange(int(np.prod(shape))).reshape(shape))

    def origin(self, expr: relax.Expr) -> Origin | None:
        """Where the elements of `expr` come from; None if they are computed."""
        if not isinstance(expr, relax.Var):
            self.why = type(expr).__name__
            return None
        if expr not in self._known:
            self._known[expr] = self._apply(self.bindings.get(expr))
        return self._known[expr]

    def value(self, expr: relax.Expr) -> relax.Expr | None:
        """What `expr` is bound to."""
        return self.bindings.get(expr) if isinstance(expr, relax.Var) else expr

    def _apply(self, value: relax.Expr | None) -> Origin | None:
        if isinstance(value, relax.Var):
            return self.origin(value)
        if isinstance(value, relax.TupleGetItem):
            return self._part(value)
        move = _MOVES.get(op_name(value))
        if value is None or move is None:
            self.why = op_name(value).removeprefix("relax.") or "an unknown operator"
            return None
        source = self.origin(value.args[0])
        return None if source is None else (source[0], move(self, source[1], value))

    def _part(self, item: relax.TupleGetItem) -> Origin | None:
        split = self.value(item.tuple_value)
        if not calls(split, "split"):
            self.why = op_name(split).removeprefix("relax.") or "an unknown operator"
            return None
        source = self.origin(split.args[0])
        if source is None:
            return None
        sections = split.attrs.indices_or_sections
        cuts: Any = (
            int(sections)
            if isinstance(sections, (int, tvm.tirx.IntImm))
            else [int(i) for i in sections]
        )
        return source[0], np.split(source[1], cuts, axis=int(split.attrs.axis))[item.index]

    def _size(self, extent: Any, named: int | str) -> int:
        if isinstance(extent, tvm.ir.Var):
            return self._extents.setdefault(extent, _ROWS if named == BATCH else _OTHER)
        return self.evaluate(extent)

    def evaluate(self, extent: Any) -> int:
        """An extent under the sizes put in."""
        if isinstance(extent, (int, tvm.tirx.IntImm)):
            return int(extent)
        analyzer = tvm.sym.Analyzer()
        for variable, size in self._extents.items():
            analyzer.bind(variable, tvm.tirx.const(size, "int64"))
        return int(analyzer.simplify(extent))

    def extents(self, expr: relax.Expr) -> list[int]:
        """A shape, or a tuple of numbers, under the sizes put in."""
        fields = expr.fields if isinstance(expr, relax.Tuple) else expr.values
        return [self.evaluate(f) for f in fields]


def _axes(call: relax.Call) -> tuple[int, ...] | None:
    axes = call.attrs.axis
    return None if axes is None else tuple(int(a) for a in axes)


def _permute(_: Replay, at: np.ndarray, call: relax.Call) -> np.ndarray:
    axes = call.attrs.axes
    return at.transpose(None if axes is None else [int(a) for a in axes])


def _slice(replay: Replay, at: np.ndarray, call: relax.Call) -> np.ndarray:
    axes, begin, end = (replay.extents(a) for a in call.args[1:4])
    strides = replay.extents(call.args[4]) if len(call.args) > 4 else [1] * len(axes)
    cut: list[slice] = [slice(None)] * at.ndim
    for axis, b, e, s in zip(axes, begin, end, strides, strict=True):
        cut[axis] = slice(b, e, s)
    return at[tuple(cut)]


#: Operators that move data and compute nothing.
_MOVES: dict[str, Callable[[Replay, np.ndarray, relax.Call], np.ndarray]] = {
    "relax.astype": lambda replay, at, call: at,
    "relax.reshape": lambda replay, at, call: at.reshape(replay.extents(call.args[1])),
    "relax.flatten": lambda replay, at, call: at.reshape(-1),
    "relax.squeeze": lambda replay, at, call: at.squeeze(_axes(call)),
    "relax.expand_dims": lambda replay, at, call: np.expand_dims(at, _axes(call) or ()),
    "relax.permute_dims": _permute,
    "relax.strided_slice": _slice,
}
