"""Importer for ``.onnx`` files.

Float initializers are weights. Everything else that the file stores is structure: axes, shapes,
constant indices, bounds. Structure is part of the graph's identity, weights are not.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tvm

from tuner.errors import ModelError, UnsupportedOperator
from tuner.importers.finish import finish
from tuner.importers.model import ImportedModel

if TYPE_CHECKING:
    import onnx

_UNSUPPORTED = re.compile(r"not supported for frontend ONNX: (.*)")
_FAILED = re.compile(r"Error converting operator (\w+)")

#: Operator sets that TVM converts. It looks at an operator's name only.
_DOMAINS = ("", "ai.onnx", "com.microsoft")

#: Float arguments that say what an operator does, by operator: never weights.
_STRUCTURE = {
    "Clip": (1, 2),
    "Dropout": (1,),
    "OneHot": (1, 2),
    "Pad": (2,),
    "Range": (0, 1, 2),
    "Resize": (1, 2),
}


def import_onnx(path: Path) -> ImportedModel:
    """Import a file; its inputs and weights keep the names they have there.

    Indices have to be non-negative: those of ONNX that count from the end are refused when the
    model is run.
    """
    file = OnnxFile(path)
    return finish(
        file.translate(),
        file.weights,
        source=str(path),
        num_inputs=len(file.inputs),
        fingerprint=file.fingerprint(),
        notes={"exporter": f"{file.model.producer_name} {file.model.producer_version}".strip()},
        input_names=file.inputs,
    )


def onnx_weights(path: Path) -> dict[str, np.ndarray]:
    """Read only the weights of a file, by name."""
    return OnnxFile(path).weights


class OnnxFile:
    """A model file with its weights and its structure told apart.

    Raises
    ------
    ModelError
        If the file is no ONNX model, is torn, or `onnx` is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.model = _load(path)
        #: Float initializers by name, in the order of the file.
        self.weights: dict[str, np.ndarray] = {}
        #: Names of the inputs, without those that only give an initializer's type.
        self.inputs: list[str] = []
        self._split()

    def fingerprint(self) -> str:
        """SHA-256 of the graph without its weights' values: operators, constants, shapes."""
        graph = self.model.graph
        digest = hashlib.sha256()
        parts = [*graph.node, *graph.input, *graph.output, *self.model.opset_import]
        for part in parts:
            digest.update(part.SerializeToString(deterministic=True))
        for name, array in self.weights.items():
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
        return digest.hexdigest()

    def translate(self) -> tvm.IRModule:
        """The module: ``main`` takes `inputs` and then `weights`, both in order."""
        from tvm.relax.frontend.onnx import from_onnx

        printed = io.StringIO()
        try:
            with _quiet(printed):
                mod = from_onnx(self.model, keep_params_in_input=True, sanitize_input_names=False)
        except Exception as error:
            raise self._refusal(error, printed.getvalue()) from error
        if len(mod["main"].params) != len(self.inputs) + len(self.weights):
            raise ModelError(f"{self._path}: two initializers differ only in the prefix 'onnx::'; "
                             "rename one")  # fmt: skip
        return mod

    def _refusal(self, error: Exception, printed: str) -> ModelError:
        unsupported = _UNSUPPORTED.search(str(error))
        if unsupported:
            names = ", ".join(sorted(unsupported[1].split(", ")))
            return UnsupportedOperator(f"{self._path}: cannot import ONNX operator(s) {names}; "
                                       "rewrite the model without them")  # fmt: skip
        lines = [line for line in str(error).splitlines() if line.strip()]
        failed = _FAILED.search(printed)
        if failed:
            return UnsupportedOperator(
                f"{self._path}: cannot import this use of ONNX operator {failed[1]}: "
                f"{lines[0] if lines else type(error).__name__}"[:300]
            )
        text = f"{type(error).__name__}: {lines[0] if lines else ''}"
        return ModelError(f"{self._path}: cannot be imported: {text}"[:300])

    def _split(self) -> None:
        """Leave weights as initializers, make ``Constant`` nodes of the others."""
        from onnx import numpy_helper

        graph = self.model.graph
        self._check_operators(graph)
        structure = {
            node.input[i]
            for node in graph.node
            for i in _STRUCTURE.get(node.op_type, ())
            if i < len(node.input)
        }
        stored = {tensor.name for tensor in graph.initializer}
        kept, constants = [], []
        for tensor in graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype.kind in "iub" or tensor.name in structure:
                constants.append(_constant(tensor))
            else:
                self.weights[tensor.name] = array
                kept.append(tensor)
        inputs = [value for value in graph.input if value.name not in stored]
        self.inputs = [value.name for value in inputs]
        for value in inputs:
            _name_dimensions(value)
        nodes = [*constants, *graph.node]
        for field, values in (("initializer", kept), ("input", inputs), ("node", nodes)):
            graph.ClearField(field)
            getattr(graph, field).extend(values)

    def _check_operators(self, graph: onnx.GraphProto) -> None:
        foreign = {f"{n.domain}::{n.op_type}" for n in graph.node if n.domain not in _DOMAINS}
        control = {n.op_type for n in graph.node if n.op_type in ("If", "Loop", "Scan")}
        if foreign or control:
            raise UnsupportedOperator(
                f"{self._path}: cannot import ONNX operator(s) "
                f"{', '.join(sorted(foreign | control))}; rewrite the model without them"
            )


def _load(path: Path) -> onnx.ModelProto:
    try:
        import onnx
        import onnx.inliner
    except ImportError as error:
        raise ModelError("importing an .onnx model needs onnx: pip install 'tunefleet[onnx]'"
                         ) from error  # fmt: skip
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        return onnx.inliner.inline_local_functions(model) if model.functions else model
    except Exception as error:
        # protobuf, the checker and the reader of external data each have errors of their own.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelError(f"{path} is no ONNX model, or is torn "
                         f"({lines[0] if lines else type(error).__name__}); export it again"
                         ) from error  # fmt: skip


def _constant(tensor: onnx.TensorProto) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node("Constant", [], [tensor.name], value=tensor)


def _name_dimensions(value: onnx.ValueInfoProto) -> None:
    """Give every open dimension a name that TVM takes for one.

    TVM reads a name such as ``batch-size`` as a difference, and gives all nameless dimensions of
    a model one name. Nameless first dimensions are the batch.
    """
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        if dim.dim_value > 0:
            continue
        name = re.sub(r"\W", "_", dim.dim_param)
        if not name:
            name = "batch" if axis == 0 else re.sub(r"\W", "_", f"{value.name}_{axis}")
        dim.dim_param = name if not name[0].isdigit() else f"_{name}"


@contextlib.contextmanager
def _quiet(printed: io.StringIO) -> Iterator[Any]:
    """TVM prints which operator failed, and warns about models that import well."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
        warnings.simplefilter("ignore")
        yield
