"""What a bucket's code was compiled for, written into the code itself.

Code reads addresses and trusts what lies there. Whoever calls it from another process compares this
text with what it believes, so that a description that belongs to other code is found out before
anything is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.program.graph import Graph
from tuner.importers import ImportedModel


def contract(batch: int, model: ImportedModel, graph: Graph, arena_bytes: int) -> bytes:
    """The contract as JSON.

    Constants are told by their content: the limits of row numbers are among them. Weights are told
    by their size: they are refreshed.
    """
    outputs = [describe_output(o.shape[1:], np.dtype(o.dtype)) for o in graph.outputs]
    return json.dumps(
        {
            "batch": batch,
            "arena_bytes": arena_bytes,
            "weights": graph.weight_bytes,
            "constants": [hashlib.sha256(c.tobytes()).hexdigest() for c in graph.constants],
            "inputs": describe_inputs(model),
            "outputs": outputs,
        }
    ).encode()


def describe_inputs(model: ImportedModel) -> list[dict[str, Any]]:
    """What callers have to know of each input, but its name."""
    described = []
    limits = {limit.input: limit.rows for limit in model.index_limits}
    for spec in model.inputs:
        shape = [int(d) for d in (spec.shape[1:] if spec.batched else spec.shape)]
        rows = limits.get(spec.name)
        described.append(
            {
                "dtype": spec.dtype,
                "batched": spec.batched,
                "shape": shape,
                "rows": None if rows is None else _rows(rows, shape, spec.batched),
            }
        )
    return described


def describe_output(tail: Sequence[int], dtype: np.dtype) -> dict[str, Any]:
    """What callers have to know of an output."""
    return {"dtype": str(dtype), "shape": [int(d) for d in tail]}


def _rows(rows: np.ndarray, shape: Sequence[int], batched: bool) -> list[int]:
    """Rows of the table that each element of an example indexes, 0 where it is no row number.

    One number stands for all.
    """
    whole = (1, *shape) if batched else tuple(shape)
    flat = [int(n) for n in np.broadcast_to(rows, whole).reshape(-1)]
    return flat[:1] if len(set(flat)) == 1 else flat
