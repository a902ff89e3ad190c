"""ONNX models from a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx.parser
from onnx import numpy_helper

HEADER = '<ir_version: 8, opset_import: ["": 17]>\n'


def write_onnx(
    path: Path, text: str, weights: Mapping[str, np.ndarray], header: str = HEADER
) -> Path:
    """Write a model; `weights` become its initializers.

    Parameters
    ----------
    text
        A graph in ONNX's textual syntax, https://onnx.ai/onnx/repo-docs/Syntax.html.
    """
    model = onnx.parser.parse_model(header + text)
    for name, array in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.save(model, path)
    return path
