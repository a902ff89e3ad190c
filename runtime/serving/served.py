"""What a server knows of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.serving.datatype import datatype

if TYPE_CHECKING:
    from runtime.model import Model


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or an output, as clients see it."""

    name: str
    dtype: np.dtype
    #: Extents; -1 is as long as the client makes it.
    shape: Sequence[int]
    #: Whether axis 0 is the batch.
    batched: bool

    def describe(self) -> dict[str, Any]:
        """As the protocol has it."""
        return {"name": self.name, "datatype": datatype(self.dtype), "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model by the name that clients call it."""

    name: str
    #: What clients call the version that is served.
    version: str
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    #: Takes arrays in the order of `inputs`; returns them in the order of `outputs`.
    score: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]

    @classmethod
    def of(cls, model: Model, name: str) -> ServedModel:
        """Serve a loaded model; names of outputs are those that a bundle of it has."""
        blueprint = model.served.version.blueprint
        inputs = [
            TensorSpec(
                spec.name,
                np.dtype(spec.dtype),
                [-1 if isinstance(extent, str) else extent for extent in spec.shape],
                spec.batched,
            )
            for spec in blueprint.model.inputs
        ]
        outputs = [
            TensorSpec(f"output_{i}", spec.dtype, [-1, *spec.tail], batched=True)
            for i, spec in enumerate(blueprint.outputs)
        ]

        def score(arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
            scores = model(*arrays)
            return scores if isinstance(scores, tuple) else (scores,)

        return cls(name, model.digest[:12], inputs, outputs, score)
