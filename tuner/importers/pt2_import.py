"""From the stored graph of a ``.pt2`` archive to Relax, past torch's own loader."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import tvm
from tvm import relax
from tvm.relax.frontend.torch.exported_program_translator import ExportedProgramImporter

from tuner.importers.converters import CONVERTERS
from tuner.importers.pt2_graph import StoredGraph, Tensor


class StoredGraphImporter(ExportedProgramImporter):  # type: ignore[misc]
    """TVM's importer over a `StoredGraph`."""

    def translate(self, stored: StoredGraph) -> tvm.IRModule:
        """Make a module whose ``main`` takes the inputs, then the weights."""
        specs = [SimpleNamespace(target=n, arg=SimpleNamespace(name=n)) for n in stored.constants]
        program = SimpleNamespace(
            stored=stored,
            graph=stored.graph,
            graph_module=SimpleNamespace(modules=tuple),
            graph_signature=SimpleNamespace(input_specs=specs, output_specs=[]),
            named_parameters=tuple,
            named_buffers=tuple,
            constants={n: torch.from_numpy(np.array(a)) for n, a in stored.constants.items()},
        )
        return self.from_exported_program(
            program,
            keep_params_as_input=True,
            unwrap_unit_return_tuple=True,
            no_bind_return_tuple=False,
            custom_convert_map=CONVERTERS,
        )

    def create_input_vars(self, program: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Variables for weights, for inputs, and the bounds of open extents."""
        stored: StoredGraph = program.stored
        symbols: dict[str, tvm.tirx.Var] = {}

        def variable(name: str, tensor: Tensor) -> relax.Var:
            shape = [
                size
                if isinstance(size, int)
                else symbols.setdefault(size, tvm.tirx.Var(size, "int64"))
                for size in tensor[0]
            ]
            return relax.Var(name, relax.TensorType(shape, tensor[1]))

        inputs = {name: variable(name, tensor) for name, tensor in stored.inputs.items()}
        others = {name: variable(name, tensor) for name, tensor in stored.others.items()}
        return others, inputs, stored.ranges
