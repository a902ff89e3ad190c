"""Tells the formats apart and hands the file to the right importer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tuner.errors import ModelError
from tuner.importers.model import ImportedModel

_ZIP_MAGIC = b"PK\x03\x04"


def _readable(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if file.is_dir():
        raise ModelError(f"{file} is a directory; give a .pt2 or .onnx file")
    if not file.exists():
        raise ModelError(f"{file} does not exist; give a .pt2 or .onnx file")
    try:
        with file.open("rb") as handle:
            head = handle.read(4)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from error
    if file.suffix == ".pt2" and head != _ZIP_MAGIC:
        raise ModelError(f"{file} is no .pt2 archive; write one with torch.export.save")
    if file.suffix not in (".pt2", ".onnx"):
        raise ModelError(
            f"{file}: unknown kind of model {file.suffix or '(no suffix)'!r}; "
            "known are .pt2 (torch.export.save) and .onnx"
        )
    return file


def import_model(model: Any) -> ImportedModel:
    """Import a model.

    Parameters
    ----------
    model
        Path to a ``.pt2`` or ``.onnx`` file, or a ``torch.export.ExportedProgram``.

    Raises
    ------
    ModelError
        If it is no model, or one that cannot be imported; the text says why.
    """
    if not isinstance(model, (str, os.PathLike)):
        from tuner.importers.torch_export import import_exported_program

        return import_exported_program(model, source="ExportedProgram")
    file = _readable(model)
    if file.suffix == ".pt2":
        from tuner.importers.torch_export import import_pt2

        return import_pt2(file)
    from tuner.importers.onnx_graph import import_onnx

    return import_onnx(file)


def read_weights(source: Any) -> tuple[dict[str, np.ndarray], str | None]:
    """Read only the weights of a model: what a refresh needs, without importing its graph.

    Returns
    -------
    The weights by name, and the fingerprint of a file's graph, which is the `digest` of the model
    imported from it; None for a mapping or an ExportedProgram.
    """
    if isinstance(source, Mapping):
        return {name: as_array(value) for name, value in source.items()}, None
    if not isinstance(source, (str, os.PathLike)):
        from tuner.importers.torch_export import weights_of

        return weights_of(source), None
    file = _readable(source)
    if file.suffix == ".pt2":
        from tuner.importers.pt2_archive import Pt2Archive

        with Pt2Archive(file) as archive:
            return archive.weights(), archive.graph_fingerprint()
    from tuner.importers.onnx_graph import OnnxFile

    graph = OnnxFile(file)
    return graph.weights, graph.fingerprint()


def as_array(value: Any) -> np.ndarray:
    """View anything array-like (numpy, torch, ``__dlpack__``) as a numpy array on the CPU."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    return np.asarray(value)
