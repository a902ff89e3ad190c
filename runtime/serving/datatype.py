"""Names of element types in the Open Inference Protocol."""

from __future__ import annotations

import numpy as np


def datatype(dtype: np.dtype) -> str:
    """`FP32` and the like."""
    prefix = {"b": "BOOL", "i": "INT", "u": "UINT", "f": "FP"}[dtype.kind]
    return prefix if dtype.kind == "b" else f"{prefix}{8 * dtype.itemsize}"
