"""Finds which input elements are row numbers of which table.

Gathers run unchecked in the kernels, so every index must be provable at the boundary: it has to
come from an input through operators that only move data (`tuner.importers.replay` tells which of
its elements), be a constant, or be a remainder that cannot leave the table.
"""

from __future__ import annotations

import numpy as np
from tvm import relax

from tuner.errors import ModelError
from tuner.graph.rewrite import calls, constant_array, fixed, kernel_name, op_name
from tuner.importers.model import IndexLimit, InputSpec
from tuner.importers.replay import Replay
from tuner.ops import GATHERS

#: Other operators of Relax that read at computed places.
_UNCHECKED = frozenset(
    f"relax.{name}"
    for name in (
        "dynamic_strided_slice",
        "gather_elements",
        "gather_nd",
        "index_put",
        "index_tensor",
        "scatter_elements",
        "scatter_nd",
        "take",
    )
)

#: Rows of an element that indexes nothing yet.
_FREE = np.iinfo(np.int64).max


def find_index_limits(
    source: str, main: relax.Function, specs: tuple[InputSpec, ...]
) -> tuple[IndexLimit, ...]:
    """Collect the limits of every gather in `main`.

    Raises
    ------
    ModelError
        If an index is computed in a way that cannot be checked before the kernels run.
    """
    replay = Replay(main, specs)
    limits: dict[str, np.ndarray] = {}
    offsets: dict[str, str] = {}
    for value in replay.bindings.values():
        if op_name(value) in _UNCHECKED:
            raise ModelError(
                f"{source}: cannot import {op_name(value).removeprefix('relax.')}: its indices "
                "cannot be checked"
            )
        if kernel_name(value).startswith(GATHERS):
            _note_indices(source, value, replay, limits)
        if kernel_name(value).startswith("bag_from_offsets"):
            _note_offsets(source, value, replay, offsets)
    found = [
        IndexLimit(spec.name, _collapse(source, spec, limits[spec.name]))
        for spec in specs
        if spec.name in limits
    ]
    found += [
        IndexLimit(name, np.zeros(1, np.int64), offsets_into=into) for name, into in offsets.items()
    ]
    return tuple(found)


def _note_indices(
    source: str, call: relax.Call, replay: Replay, limits: dict[str, np.ndarray]
) -> None:
    """Lower `limits` by a gather: all gathers here read along axis 0 of their first argument."""
    table, index = call.args[1].fields[:2]
    name = str(table.name) if isinstance(table, relax.Var) else "a constant"
    rows = fixed(table.ty.shape[0])
    if rows is None:
        raise ModelError(
            f"{source}: rows are picked from the batch by number, so that one example would see "
            "another; pick along another axis"
        )
    constant = constant_array(index)
    if constant is not None:
        outside = constant[(constant < 0) | (constant >= rows)]
        if outside.size:
            raise ModelError(
                f"{source}: the model itself reads row {outside.flat[0]} of {name}, which has "
                f"{rows} rows"
            )
        return
    if _remainder(replay.value(index)) <= rows:
        return
    origin = replay.origin(index)
    if origin is None:
        raise ModelError(
            f"{source}: the row numbers for {name} ({rows} rows) are computed inside the model "
            f"(by {replay.why}), so they cannot be checked; pass them as an input"
        )
    into, positions = origin
    known = limits.setdefault(into, np.full(replay.shapes[into], _FREE, np.int64))
    np.minimum.at(known.reshape(-1), positions.reshape(-1), rows)


def _remainder(value: relax.Expr | None) -> float:
    """Largest remainder that `value` can be, plus one; infinite if it is none."""
    if not calls(value, "floor_mod"):
        return np.inf
    divisor = constant_array(value.args[1])
    if divisor is None or not divisor.size or divisor.dtype.kind not in "iu" or divisor.min() < 1:
        return np.inf
    return float(divisor.max())


def _note_offsets(source: str, call: relax.Call, replay: Replay, offsets: dict[str, str]) -> None:
    fields = call.args[1].fields
    into, at = replay.origin(fields[1]), replay.origin(fields[-1])
    if into is None or at is None:
        raise ModelError(
            f"{source}: the offsets of an embedding bag are computed inside the model (by "
            f"{replay.why}), so they cannot be checked; pass them as an input"
        )
    offsets[at[0]] = into[0]


def _collapse(source: str, spec: InputSpec, rows: np.ndarray) -> np.ndarray:
    """Limits that broadcast against the input: open axes become 1."""
    rows = np.where(rows == _FREE, 0, rows)
    for axis, extent in enumerate(spec.shape):
        if not isinstance(extent, str):
            continue
        first = rows.take([0], axis)
        if (rows != first).any():
            raise ModelError(
                f"{source}: which elements of {spec.name} are row numbers depends on its open "
                f"dimension {extent}, so they cannot be checked"
            )
        rows = first
    return rows
