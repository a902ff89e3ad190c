"""Kernel lookup, JIT compilation, batch dispatch and refresh: what production loads.

>>> from runtime import Engine
>>> engine = Engine(db="sqlite:///tunefleet.db")  # doctest: +SKIP
>>> model = engine.load("dlrm.pt2", buckets=(1, 16, 64))  # doctest: +SKIP
>>> scores = model(dense, sparse)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.engine import Engine
    from runtime.errors import InputError, RefreshError
    from runtime.model import Model
    from runtime.report import BucketReport, KernelReport, ModelReport

_HOME = {
    "BucketReport": "report",
    "Engine": "engine",
    "InputError": "errors",
    "KernelReport": "report",
    "Model": "model",
    "ModelReport": "report",
    "RefreshError": "errors",
}

__all__ = [
    "BucketReport",
    "Engine",
    "InputError",
    "KernelReport",
    "Model",
    "ModelReport",
    "RefreshError",
]


def __getattr__(name: str) -> object:
    # Late, because TVM takes seconds to import and a command line only wants the error classes.
    if name not in _HOME:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"runtime.{_HOME[name]}"), name)
