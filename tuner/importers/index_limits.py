"""Finds which input elements are row numbers of which table.

Gathers run unchecked in the kernels, so every index must be provable at the boundary: it has to
come from an input through operators that only move data. The chain is replayed on the positions
of the input's elements, which tells exactly which of them reach the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tvm
from tvm import relax

from tuner.errors import ModelError
from tuner.graph.rewrite import constant_array
from tuner.importers.model import IndexLimit, InputSpec
from tuner.ops import GATHERS

#: Extents put in for open dimensions while replaying; two rows show that axis 0 stays the batch.
_ROWS, _OTHER = 2, 3


def find_index_limits(
    source: str, main: relax.Function, specs: tuple[InputSpec, ...]
) -> tuple[IndexLimit, ...]:
    """Collect the limits of every gather in `main`.

    Raises
    ------
    ModelError
        If an index is computed in a way that cannot be checked before the kernels run.
    """
    replay = _Replay(main, specs)
    limits: dict[str, np.ndarray] = {}
    offsets: dict[str, str] = {}
    for var, value in replay.bindings.items():
        for table, index, rows in _gathers(value):
            constant = constant_array(index)
            if constant is not None:
                if constant.size and not 0 <= constant.min() <= constant.max() < rows:
                    raise ModelError(f"{source}: the model itself reads row {constant.max()} of "
                                     f"{table}, which has {rows} rows")
                continue
            origin = replay.origin(index)
            if origin is None:
                raise ModelError(
                    f"{source}: the row numbers for {table} ({rows} rows) are computed inside the "
                    f"model (by {replay.why}), so they cannot be checked; pass them as an input"
                )
            name, positions = origin
            spec = next(s for s in specs if s.name == name)
            shape = replay.shapes[name]
            known = limits.setdefault(name, np.full(shape, np.iinfo(np.int64).max, np.int64))
            np.minimum.at(known.reshape(-1), positions.reshape(-1), rows)
        cut = _offsets(value)
        if cut is not None:
            into, at = replay.origin(cut[0]), replay.origin(cut[1])
            if into is None or at is None:
                raise ModelError(f"{source}: the offsets of {var.name} are computed inside the "
                                 "model, so they cannot be checked; pass them as an input")
            offsets[at[0]] = into[0]
    found = []
    for name, rows in limits.items():
        spec = next(s for s in specs if s.name == name)
        rows = np.where(rows == np.iinfo(np.int64).max, 0, rows)
        open_axis = spec.shape and isinstance(spec.shape[0], str)
        found.append(IndexLimit(name, rows[:1] if open_axis else rows))
    for name, into in offsets.items():
        found.append(IndexLimit(name, np.zeros(1, np.int64), offsets_into=into))
    return tuple(found)


def _callee(value: relax.Expr) -> str:
    return getattr(value.op, "name", "") if isinstance(value, relax.Call) else ""


def _gathers(value: relax.Expr) -> list[tuple[str, relax.Expr, int]]:
    """(table, index, rows) of each gather that `value` does."""
    if _callee(value) in _UNCHECKED:
        raise ModelError(f"cannot import {_callee(value)}: its indices cannot be checked")
    if _kernel(value).startswith(GATHERS):
        table, index = value.args[1].fields[:2]
        return [(_name(table), index, _rows(value))]
    return []


#: Other operators of Relax that read at computed places.
_UNCHECKED = frozenset(
    {"relax.take", "relax.gather_elements", "relax.gather_nd", "relax.index_tensor", "relax.scatter_elements",
     "relax.scatter_nd", "relax.index_put"}
)  # fmt: skip


def _offsets(value: relax.Expr) -> tuple[relax.Expr, relax.Expr] | None:
    if _kernel(value).startswith("bag_from_offsets"):
        fields = value.args[1].fields
        return fields[1], fields[-1]
    return None


def _kernel(value: relax.Expr) -> str:
    return str(value.args[0].name_hint) if _callee(value) == "relax.call_tir" else ""


def _rows(call: relax.Call) -> int:
    """Rows of the table: all gathers here read along axis 0."""
    return int(call.args[1].fields[0].ty.shape[0])


def _name(expr: relax.Expr) -> str:
    return str(expr.name) if isinstance(expr, relax.Var) else "a constant"


class _Replay:
    """Runs data movement on positions of input elements instead of on their values."""

    def __init__(self, main: relax.Function, specs: tuple[InputSpec, ...]) -> None:
        self.bindings: dict[relax.Var, relax.Expr] = {}
        for block in main.body.blocks:
            for binding in block.bindings:
                self.bindings[binding.var] = getattr(binding, "value", None)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._extent: dict[Any, int] = {}
        self._known: dict[relax.Var, tuple[str, np.ndarray] | None] = {}
        #: The operator at which the last failed replay ended.
        self.why = ""
        for var, spec in zip(main.params, specs, strict=False):
            shape = tuple(self._size(e, s) for e, s in zip(var.ty.shape, spec.shape, strict=True))
            self.shapes[spec.name] = shape
            self._known[var] = (spec.name, np.arange(int(np.prod(shape))).reshape(shape))

    def _size(self, extent: Any, named: int | str) -> int:
        if isinstance(extent, tvm.ir.Var):
            return self._extent.setdefault(extent, _ROWS if named == "batch" else _OTHER)
        return self._evaluate(extent)

    def _evaluate(self, extent: Any) -> int:
        if isinstance(extent, (int, tvm.tirx.IntImm)):
            return int(extent)
        analyzer = tvm.arith.Analyzer()
        for variable, size in self._extent.items():
            analyzer.bind(variable, tvm.tirx.const(size, "int64"))
        return int(analyzer.simplify(extent))

    def origin(self, expr: relax.Expr) -> tuple[str, np.ndarray] | None:
        """Input whose elements `expr` holds, and their positions in it; None if none."""
        if not isinstance(expr, relax.Var):
            self.why = type(expr).__name__
            return None
        if expr not in self._known:
            self._known[expr] = self._apply(self.bindings.get(expr))
        return self._known[expr]

    def _apply(self, value: relax.Expr | None) -> tuple[str, np.ndarray] | None:
        if isinstance(value, relax.Var):
            return self.origin(value)
        if isinstance(value, relax.TupleGetItem):
            split = self.bindings.get(value.tuple_value)
            if _callee(split) == "relax.split":
                source = self.origin(split.args[0])
                if source is not None:
                    return source[0], self._split(source[1], split.attrs)[value.index]
        move = _MOVES.get(_callee(value)) if value is not None else None
        if move is None:
            self.why = _callee(value) or "an unknown operator"
            return None
        source = self.origin(value.args[0])
        if source is None:
            return None
        return source[0], move(self, source[1], value)

    def _split(self, at: np.ndarray, attrs: Any) -> list[np.ndarray]:
        sections = attrs.indices_or_sections
        cuts = int(sections) if isinstance(sections, (int, tvm.tirx.IntImm)) else [
            int(i) for i in sections
        ]
        return np.split(at, cuts, axis=int(attrs.axis))

    def _reshape(self, at: np.ndarray, call: relax.Call) -> np.ndarray:
        return at.reshape([self._evaluate(e) for e in call.args[1].values])

    def _slice(self, at: np.ndarray, call: relax.Call) -> np.ndarray:
        axes, begin, end = (self._tuple(a) for a in call.args[1:4])
        strides = self._tuple(call.args[4]) if len(call.args) > 4 else [1] * len(axes)
        cut: list[slice] = [slice(None)] * at.ndim
        for axis, b, e, s in zip(axes, begin, end, strides, strict=True):
            cut[axis] = slice(b, e, s)
        return at[tuple(cut)]

    def _tuple(self, expr: relax.Expr) -> list[int]:
        fields = expr.fields if isinstance(expr, relax.Tuple) else expr.values
        return [self._evaluate(f) for f in fields]

    def _axes(self, call: relax.Call) -> tuple[int, ...] | None:
        axes = call.attrs.axis
        return None if axes is None else tuple(int(a) for a in axes)


def _permute(_: _Replay, at: np.ndarray, call: relax.Call) -> np.ndarray:
    axes = call.attrs.axes
    return at.transpose(None if axes is None else [int(a) for a in axes])


#: Operators that move data and compute nothing.
_MOVES: dict[str, Callable[[_Replay, np.ndarray, relax.Call], np.ndarray]] = {
    "relax.astype": lambda replay, at, call: at,
    "relax.reshape": lambda replay, at, call: replay._reshape(at, call),
    "relax.flatten": lambda replay, at, call: at.reshape(-1),
    "relax.squeeze": lambda replay, at, call: at.squeeze(replay._axes(call)),
    "relax.expand_dims": lambda replay, at, call: np.expand_dims(at, replay._axes(call) or ()),
    "relax.permute_dims": _permute,
    "relax.strided_slice": lambda replay, at, call: replay._slice(at, call),
}
