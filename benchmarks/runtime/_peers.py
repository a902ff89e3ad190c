"""The same model under other runtimes, on one thread; each is a maker of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

Array = np.ndarray
#: Returns the scores.
Call = Callable[[], Any]


def eager(module: nn.Module, _: Path, inputs: Sequence[Array]) -> Call:
    """PyTorch as its author runs it."""
    tensors = [torch.from_numpy(x) for x in inputs]

    def run() -> Array:
        with torch.inference_mode():
            scores: Array = module(*tensors).numpy()
        return scores

    return run


def inductor(module: nn.Module, _: Path, inputs: Sequence[Array]) -> Call:
    """``torch.compile`` with max-autotune and frozen weights, for this batch alone."""
    import torch._dynamo
    import torch._inductor.config as config

    torch._dynamo.reset()
    config.freezing = True
    compiled = torch.compile(module, mode="max-autotune", dynamic=False)
    tensors = [torch.from_numpy(x) for x in inputs]

    def run() -> Array:
        with torch.inference_mode():
            scores: Array = compiled(*tensors).numpy()
        return scores

    return run


def onnx_runtime(_: nn.Module, onnx: Path, inputs: Sequence[Array]) -> Call:
    """ONNX Runtime on its CPU provider."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    feed = dict(zip([i.name for i in session.get_inputs()], inputs, strict=True))
    return lambda: session.run(None, feed)[0]


def openvino(_: nn.Module, onnx: Path, inputs: Sequence[Array]) -> Call:
    """OpenVINO in single precision, reshaped to this batch."""
    import openvino

    core = openvino.Core()
    model = core.read_model(onnx)
    model.reshape({i: list(x.shape) for i, x in enumerate(inputs)})
    options = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(model, "CPU", options).create_infer_request()
    feed = list(inputs)

    def run() -> Array:
        scores: Array = request.infer(feed, share_inputs=True, share_outputs=True)[0]
        return scores

    return run


PEERS: dict[str, Callable[[nn.Module, Path, Sequence[Array]], Call]] = {
    "eager": eager,
    "inductor": inductor,
    "onnxruntime": onnx_runtime,
    "openvino": openvino,
}
