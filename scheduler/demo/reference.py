"""What scores and times are compared with: the framework that the model comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scheduler.demo.files import ModelFiles
from scheduler.demo.options import DemoError

if TYPE_CHECKING:
    from torch import nn

Array = npt.NDArray[Any]


class Reference(ABC):
    """Runs a model on one thread, the way its framework does."""

    #: Name of the framework.
    name: str
    #: What its times stand for, as the head of a column.
    column: str

    @abstractmethod
    def scores(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs of the model."""

    @abstractmethod
    def call(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """One inference to be timed, its inputs converted beforehand."""

    @abstractmethod
    def refresh(self, weights: Mapping[str, Array]) -> None:
        """Take other weights; names that are not given keep theirs."""


def open_reference(files: ModelFiles, input_names: Sequence[str]) -> Reference:
    """The reference of a model whose inputs are called `input_names`, in order."""
    if files.is_onnx:
        return OnnxReference(files.model, input_names)
    if files.is_example:
        from examples.dlrm import build_dlrm

        # As its author runs it: the exported graph takes longer in PyTorch.
        return TorchReference(build_dlrm(seed=0))
    return TorchReference.of_file(files.model)


class TorchReference(Reference):
    """PyTorch, eager."""

    name = "PyTorch"
    column = "PyTorch eager"

    def __init__(
        self, module: nn.Module, arrange: Callable[[list[Any]], tuple[Any, Any]] | None = None
    ) -> None:
        import torch

        torch.set_num_threads(1)
        self._torch = torch
        self._module = module
        #: Puts the flat inputs where the module's author had them: arguments and keywords.
        self._arrange = arrange or (lambda flat: (tuple(flat), {}))

    @classmethod
    def of_file(cls, path: Path) -> TorchReference:
        """Open an exported program; its graph is run node by node."""
        import torch
        from torch.utils import _pytree

        program = torch.export.load(path)
        structure = program.call_spec.in_spec

        def arrange(flat: list[Any]) -> tuple[Any, Any]:
            arguments: tuple[Any, Any] = _pytree.tree_unflatten(flat, structure)
            return arguments

        return cls(program.module(check_guards=False), arrange if structure else None)

    def scores(self, inputs: Sequence[Array]) -> list[Array]:
        """See `Reference.scores`."""
        outputs = self.call(inputs)()
        flat = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        return [output.numpy() for output in flat]

    def call(self, inputs: Sequence[Array]) -> Callable[[], Any]:
        """See `Reference.call`."""
        torch, module = self._torch, self._module
        args, kwargs = self._arrange([torch.from_numpy(array) for array in inputs])

        def run() -> Any:
            with torch.inference_mode():
                return module(*args, **kwargs)

        return run

    def refresh(self, weights: Mapping[str, Array]) -> None:
        """See `Reference.refresh`."""
        tensors = {name: self._torch.tensor(array) for name, array in weights.items()}
        self._module.load_state_dict(tensors, strict=False)


class OnnxReference(Reference):
    """ONNX Runtime on one thread."""

    name = "ONNX Runtime"
    column = "ONNX Runtime"

    def __init__(self, path: Path, input_names: Sequence[str]) -> None:
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise DemoError(
                f"{path.name} is compared with ONNX Runtime, which is missing: "
                "pip install 'tunefleet[onnx]'"
            ) from error
        self._onnx, self._runtime = onnx, onnxruntime
        self._input_names = tuple(input_names)
        self._model = onnx.load(path)
        self._open()

    def _open(self) -> None:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = self._runtime.InferenceSession(
            self._model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def scores(self, inputs: Sequence[Array]) -> list[Array]:
        """See `Reference.scores`."""
        return [np.asarray(output) for output in self.call(inputs)()]

    def call(self, inputs: Sequence[Array]) -> Callable[[], Any]:
        """See `Reference.call`."""
        feed = dict(zip(self._input_names, inputs, strict=True))
        return lambda: self._session.run(None, feed)

    def refresh(self, weights: Mapping[str, Array]) -> None:
        """See `Reference.refresh`."""
        for tensor in self._model.graph.initializer:
            if tensor.name in weights:
                array = self._onnx.numpy_helper.from_array(weights[tensor.name], tensor.name)
                tensor.CopyFrom(array)
        self._open()
