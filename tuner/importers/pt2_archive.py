"""Reads the weights of a ``.pt2`` archive without torch, and without loading its graph.

``torch.export.load`` rebuilds the whole graph (0.9 s for the example model), which a refresh of
weights does not need. The archive is a zip of raw tensors and JSON: format as written by
``torch.export.pt2_archive`` of PyTorch 2.13, schema in ``torch/_export/serde/schema.py``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tuner.errors import ModelError
from tuner.importers.pt2_graph import DTYPES, StoredGraph, read_stored


class Pt2Archive:
    """An open archive; a context manager.

    Raises
    ------
    ModelError
        If the file is no such archive, is torn, or holds tensors of another kind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise ModelError(
                f"{path} is no .pt2 archive ({error}); write one with torch.export.save"
            ) from error
        marker = [n for n in self._zip.namelist() if n.endswith("/archive_format")]
        if not marker:
            raise ModelError(
                f"{path} is a zip file but no .pt2 archive; write one with torch.export.save"
            )
        self._root = marker[0].removesuffix("archive_format")

    def __enter__(self) -> Pt2Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def weights(self) -> dict[str, np.ndarray]:
        """Parameters and persistent buffers by their qualified name."""
        with self._understood():
            return self._tensors("data/weights/", "model_weights_config.json")

    def stored_graph(self, weights: Mapping[str, np.ndarray]) -> StoredGraph:
        """The graph as it is stored.

        Raises
        ------
        NotPlain
            If it takes torch to understand it.
        """
        with self._understood():
            return read_stored(self._json("models/model.json"), weights, self._constants())

    def graph_fingerprint(self) -> str:
        """SHA-256 of the graph: nodes, shapes and constants, without weights or source lines."""
        with self._understood():
            return self._fingerprint()

    def _fingerprint(self) -> str:
        program = self._json("models/model.json")["graph_module"]
        graph = program["graph"]
        nodes = [[n["target"], n["inputs"], n["outputs"]] for n in graph["nodes"]]
        values = {
            name: {k: v for k, v in meta.items() if k != "requires_grad"}
            for name, meta in graph["tensor_values"].items()
        }
        digest = hashlib.sha256()
        for part in (nodes, values, graph["inputs"], graph["outputs"], program["signature"]):
            digest.update(json.dumps(part, sort_keys=True).encode())
        for name, array in sorted(self._constants().items()):
            digest.update(f"{name}{array.dtype}{array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """A file may hold any JSON, or none, where the format has something else."""
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
                RecursionError) as error:  # fmt: skip
            raise ModelError(
                f"{self._path} is torn or of an unknown version ({type(error).__name__}: {error}); "
                "export it again"
            ) from error

    def _constants(self) -> dict[str, np.ndarray]:
        return self._tensors("data/constants/", "model_constants_config.json")

    def _json(self, name: str) -> Any:
        return json.loads(self._read(name))

    def _read(self, name: str) -> bytes:
        try:
            return self._zip.read(self._root + name)
        except (KeyError, zipfile.BadZipFile, OSError, EOFError) as error:
            raise ModelError(
                f"{self._path}: {name} cannot be read ({error}); "
                "the file is torn or of an unknown version"
            ) from error

    def _tensors(self, folder: str, config: str) -> dict[str, np.ndarray]:
        storages: dict[str, bytes] = {}
        tensors: dict[str, np.ndarray] = {}
        for name, entry in self._json(folder + config)["config"].items():
            meta = entry["tensor_meta"]
            dtype = DTYPES.get(meta["dtype"])
            if entry["use_pickle"] or dtype is None:
                raise ModelError(
                    f"{self._path}: weight {name} is stored in a form that only "
                    "torch reads; pass torch.export.load(...) instead of the path"
                )
            storage = storages.get(entry["path_name"])
            if storage is None:
                storage = storages[entry["path_name"]] = self._read(folder + entry["path_name"])
            tensors[name] = _as_strided(np.frombuffer(storage, dtype), meta)
        return tensors


def _as_strided(flat: np.ndarray, meta: dict[str, Any]) -> np.ndarray:
    shape = [d["as_int"] for d in meta["sizes"]]
    strides = [d["as_int"] for d in meta["strides"]]
    start = int(meta["storage_offset"]["as_int"])
    reach = start + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + 1
    if 0 in shape:
        return np.empty(shape, flat.dtype)
    if start < 0 or min([*shape, *strides], default=0) < 0 or reach > flat.size:
        raise ModelError(
            f"a weight reaches over its storage ({reach} > {flat.size} elements); the file is torn"
        )
    return np.lib.stride_tricks.as_strided(
        flat[start:], shape, [s * flat.itemsize for s in strides], writeable=False
    )
