"""Arguments to measure a workload with: random, reproducible, indices within bounds."""

from __future__ import annotations

import numpy as np
import tvm

from tuner.arena import ALIGNMENT, Arena
from tuner.workloads.facts import Argument, Facts

#: Random numbers drawn for one tensor; larger ones repeat them.
_FILL_LIMIT = 1 << 22
#: Tables beyond this many bytes are not in a core's own cache.
_CACHED = 1 << 20
#: Magnitudes at the edges of what float32 kernels meet.
_EDGES = (0.0, 1e-30, 1e-6, 1.0, 20.0, 1e3)


def make_arguments(
    facts: Facts, seed: int = 0, *, positive: bool = False
) -> list[tvm.runtime.Tensor]:
    """One tensor per argument of the function, the output last.

    Parameters
    ----------
    positive
        Draw numbers from [0.5, 1.5) instead of a normal distribution: for functions that have no
        value elsewhere, such as a logarithm.
    """
    rng = np.random.default_rng(seed)
    arena = Arena((a.shape, a.dtype) for a in facts.arguments)
    tensors = [_make(a, arena, rng, positive) for a in facts.arguments]
    if "bag_from_offsets" in facts.extents:
        _spread_offsets(facts, tensors)
    return tensors


def _make(
    argument: Argument, arena: Arena, rng: np.random.Generator, positive: bool
) -> tvm.runtime.Tensor:
    tensor = arena.empty(argument.shape, argument.dtype)
    view = np.from_dlpack(tensor)
    if argument.rows or view.dtype.kind in "iu":
        view[...] = rng.integers(0, argument.rows or 2, view.shape)
    elif view.dtype.kind == "b":
        view[...] = rng.integers(0, 2, view.shape).astype(bool)
    else:
        flat = view.reshape(-1)
        count = min(flat.size, _FILL_LIMIT)
        block = rng.random(count) + 0.5 if positive else rng.standard_normal(count)
        for start in range(0, flat.size, _FILL_LIMIT):
            part = flat[start : start + _FILL_LIMIT]
            part[:] = block[: part.size]
    return tensor


def edge_arguments(
    facts: Facts, normal: list[tvm.runtime.Tensor], seed: int = 1
) -> list[tvm.runtime.Tensor]:
    """Arguments full of edges: zeros of both signs, tiny and large values, first and last rows.

    Parameters
    ----------
    normal
        Arguments made by `make_arguments`; tables, which may be large, and offsets are shared.
    """
    rng = np.random.default_rng(seed)
    return [
        tensor if argument.table or at == facts.output else _edges(argument, tensor, rng)
        for at, (argument, tensor) in enumerate(zip(facts.arguments, normal, strict=True))
    ]


def _edges(
    argument: Argument, normal: tvm.runtime.Tensor, rng: np.random.Generator
) -> tvm.runtime.Tensor:
    view = np.from_dlpack(normal)
    if argument.rows:
        edges = np.array([0, argument.rows - 1], view.dtype)
    elif view.dtype.kind == "f":
        # Signs as in `normal`: a logarithm has no values for others.
        tensor = tvm.runtime.tensor(rng.choice(np.array(_EDGES, view.dtype), view.shape))
        values = np.from_dlpack(tensor)
        values[...] = np.copysign(values, view)
        return tensor
    else:
        return normal
    return tvm.runtime.tensor(rng.choice(edges, view.shape))


def looks_up(facts: Facts) -> bool:
    """True if rows are read at random from tables that no core's own cache holds."""
    return sum(a.nbytes for a in facts.arguments if a.table) > _CACHED


def fresh_lookups(
    facts: Facts, arguments: list[tvm.runtime.Tensor], count: int, rng: np.random.Generator
) -> list[list[tvm.runtime.Tensor]]:
    """Arguments for `count` calls, each with indices of its own; all else is shared.

    In service every request looks up other rows. A kernel that is timed on the same rows again
    and again reads them from the cache, where a prefetch can only cost.
    """
    calls = [list(arguments) for _ in range(count)]
    for place, argument in enumerate(facts.arguments):
        # Offsets index as well, but their order is what they are about.
        cuts = "bag_from_offsets" in facts.extents and place == facts.output - 1
        if not argument.rows or cuts:
            continue
        size = -(-argument.nbytes // ALIGNMENT) * ALIGNMENT
        arena = Arena([((count, size), "uint8")])
        room = np.from_dlpack(arena.empty((count, size), "uint8"))
        for call, part in zip(calls, room, strict=True):
            view = part[: argument.nbytes].view(argument.dtype).reshape(argument.shape)
            view[...] = rng.integers(0, argument.rows, argument.shape)
            call[place] = tvm.runtime.from_dlpack(view)
    return calls


def _spread_offsets(facts: Facts, tensors: list[tvm.runtime.Tensor]) -> None:
    """Cut the list of indices into bags of equal length."""
    count = facts.arguments[1].shape[0]
    offsets = np.from_dlpack(tensors[facts.output - 1])
    offsets[...] = np.linspace(0, count, offsets.size, endpoint=False).astype(offsets.dtype)
