"""What a model returns, whatever the batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm import relax

from tuner.errors import ModelError
from tuner.graph.prepare import PreparedModel
from tuner.graph.rewrite import fixed


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One result of a model; axis 0 is the batch."""

    #: Extents behind the batch.
    tail: tuple[int, ...]
    dtype: np.dtype

    def empty(self, rows: int) -> np.ndarray:
        """Room for the scores of `rows` examples."""
        return np.empty((rows, *self.tail), self.dtype)


def output_specs(prepared: PreparedModel) -> tuple[OutputSpec, ...]:
    """Read the results off a model.

    Raises
    ------
    ModelError
        If one has no row for each example, so that those of padding could not be told apart.
    """
    result = prepared.mod["main"].ret_ty
    kinds = list(result.fields) if isinstance(result, relax.TupleType) else [result]
    return tuple(_spec(prepared, i, kind) for i, kind in enumerate(kinds))


def _spec(prepared: PreparedModel, i: int, kind: relax.TensorType) -> OutputSpec:
    model = prepared.model
    extents = list(kind.shape or [])
    batch = extents[0] if extents else None
    is_batch = (
        fixed(batch) == model.fixed_batch
        if model.batch_var is None
        else str(getattr(batch, "name", "")) == model.batch_var
    )
    tail = [fixed(d) for d in extents[1:]]
    if batch is None or not is_batch or None in tail:
        raise ModelError(
            f"{model.source}: output {i} has no row for each example; leave it out of the model"
        )
    return OutputSpec(tuple(int(d or 0) for d in tail), np.dtype(str(kind.dtype)))
