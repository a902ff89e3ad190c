"""What is known of a model beside its weights and its code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tvm_ffi.serialization import from_json_graph_str, to_json_graph_str

from runtime.inputs import random_inputs
from runtime.outputs import OutputSpec, output_specs
from tuner.graph.dense import WeightLayout
from tuner.graph.prepare import PreparedModel
from tuner.importers import ImportedModel


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A graph, ready to be compiled; made once per graph, and kept on disk."""

    #: The imported model without its module and its weights.
    model: ImportedModel
    #: Shape and dtype of each weight, as the model's author knows it.
    weights: Mapping[str, tuple[tuple[int, ...], str]]
    #: How the kernels want them.
    layouts: tuple[WeightLayout, ...]
    outputs: tuple[OutputSpec, ...]
    #: The prepared module as TVM's JSON text: read only where something is compiled.
    graph: str

    @classmethod
    def of(cls, prepared: PreparedModel) -> Blueprint:
        """Note down a prepared model.

        Raises
        ------
        tuner.errors.ModelError
            If a result has no row for each example.
        """
        weights = {n: (a.shape, str(a.dtype)) for n, a in prepared.model.params.items()}
        return cls(
            dataclasses.replace(prepared.model, params={}, mod=None),
            weights,
            prepared.layouts,
            output_specs(prepared),
            to_json_graph_str(prepared.mod),
        )

    def prepared(self) -> PreparedModel:
        """The model that buckets are compiled from."""
        return PreparedModel(self.model, from_json_graph_str(self.graph), self.layouts)

    def random_inputs(self, batch: int, seed: int = 0) -> list[np.ndarray]:
        """Inputs that the model accepts."""
        return random_inputs(self.model, batch, seed)

    @property
    def signature(self) -> object:
        """What callers see of the model: graphs of one signature may stand in for each other."""
        return self.model.inputs, self.outputs
