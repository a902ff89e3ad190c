"""Arguments to measure a workload with: random, reproducible, indices within bounds."""

from __future__ import annotations

import numpy as np
import tvm

from tuner.workloads.facts import Argument, Facts

#: Rows of a table that are filled; the others stay untouched pages that cost no memory.
_FILL_LIMIT = 1 << 22


def make_arguments(facts: Facts, seed: int = 0) -> list[tvm.runtime.Tensor]:
    """One tensor per argument of the function, the output last and zeroed."""
    rng = np.random.default_rng(seed)
    tensors = [_make(a, rng) for a in facts.arguments]
    if "bag_from_offsets" in facts.extents:
        _spread_offsets(facts, tensors)
    return tensors


def _make(argument: Argument, rng: np.random.Generator) -> tvm.runtime.Tensor:
    tensor = tvm.runtime.empty(argument.shape, argument.dtype)
    view = np.from_dlpack(tensor)
    if np.issubdtype(view.dtype, np.floating):
        flat = view.reshape(-1)
        block = rng.standard_normal(min(flat.size, _FILL_LIMIT)).astype(view.dtype)
        for start in range(0, flat.size, _FILL_LIMIT):
            part = flat[start : start + _FILL_LIMIT]
            part[:] = block[: part.size]
    elif view.dtype == bool:
        view[...] = rng.integers(0, 2, view.shape).astype(bool)
    else:
        view[...] = rng.integers(0, argument.rows or 2, view.shape)
    return tensor


def _spread_offsets(facts: Facts, tensors: list[tvm.runtime.Tensor]) -> None:
    """Cut the list of indices into bags of equal length."""
    count = facts.arguments[1].shape[0]
    offsets = np.from_dlpack(tensors[facts.output - 1])
    offsets[...] = np.linspace(0, count, offsets.size, endpoint=False).astype(offsets.dtype)
