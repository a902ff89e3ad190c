"""Importer for ``torch.export`` programs: ``.pt2`` files and ``ExportedProgram`` objects."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relax

from tuner.errors import ModelError, UnsupportedOperator
from tuner.importers.converters import CONVERTERS
from tuner.importers.finish import finish
from tuner.importers.model import ImportedModel
from tuner.importers.pt2_archive import Pt2Archive
from tuner.importers.pt2_graph import NotPlain

_log = logging.getLogger(__name__)

_UNSUPPORTED = re.compile(r"Unsupported function types? (\[.*?\])")


def import_pt2(path: Path) -> ImportedModel:
    """Import a file written by ``torch.export.save``."""
    torch = _torch()
    with Pt2Archive(path) as archive:
        fingerprint = archive.graph_fingerprint()
        try:
            return _import_stored(archive, path, fingerprint)
        except NotPlain as reason:
            _log.warning("%s is left to torch, which takes seconds longer: %s", path, reason)
    try:
        with warnings.catch_warnings():
            # torch warns about its own deprecated pytree classes while unpickling.
            warnings.simplefilter("ignore", FutureWarning)
            program = torch.export.load(path)
    except Exception as error:
        raise ModelError(
            f"{path}: torch.export.load refuses it ({_first_line(error)}); "
            "export it again with this version of torch"
        ) from error
    return import_exported_program(program, source=str(path), fingerprint=fingerprint)


def _import_stored(archive: Pt2Archive, path: Path, fingerprint: str) -> ImportedModel:
    """Import the graph as it is stored.

    Raises
    ------
    NotPlain
        If it takes torch to understand it.
    """
    from tuner.importers.pt2_import import StoredGraphImporter

    weights = archive.weights()
    stored = archive.stored_graph(weights)
    try:
        mod = StoredGraphImporter().translate(stored)
    except Exception as error:
        # Torch may write in another way what TVM does not take as it stands.
        raise NotPlain(_first_line(error)) from error
    return _finished(
        mod, stored.weights, weights, source=str(path), fingerprint=fingerprint,
        open_dims=len(stored.ranges),
    )  # fmt: skip


def weights_of(program: Any) -> dict[str, np.ndarray]:
    """Parameters and persistent buffers of an ExportedProgram, by qualified name."""
    return {name: t.detach().cpu().numpy() for name, t in program.state_dict.items()}


def import_exported_program(
    program: Any, *, source: str, fingerprint: str | None = None
) -> ImportedModel:
    """Import an ``ExportedProgram``; weights and persistent buffers stay apart."""
    torch = _torch()
    if not isinstance(program, torch.export.ExportedProgram):
        raise ModelError(
            f"a {type(program).__name__} is no model; give a path to a .pt2 or .onnx "
            "file, or a torch.export.ExportedProgram"
        )
    weights = weights_of(program)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = program.run_decompositions()
    names = _buffers_to_parameters(program)
    return _finished(
        _translate(program, source), names, weights, source=source, fingerprint=fingerprint,
        open_dims=len({str(s) for s in program.range_constraints}),
    )  # fmt: skip


def _finished(
    mod: tvm.IRModule,
    names: Mapping[str, str],
    weights: Mapping[str, np.ndarray],
    *,
    source: str,
    fingerprint: str | None,
    open_dims: int,
) -> ImportedModel:
    """Bring a translated graph and its weights together, `names` being those of its parameters."""
    mod, _ = relax.frontend.detach_params(mod)
    main = mod["main"]
    user = int(main.attrs["num_input"])
    params = {names[v.name]: weights[names[v.name]] for v in main.params[user:]}
    notes = {"exporter": f"torch {_torch().__version__}", "open dimensions": str(open_dims)}
    return finish(mod, params, source=source, num_inputs=user, fingerprint=fingerprint, notes=notes)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ModelError("importing a .pt2 model needs torch: pip install 'tunefleet[torch]'"
                         ) from error  # fmt: skip
    return torch


def _buffers_to_parameters(program: Any) -> dict[str, str]:
    """Relabel persistent buffers, so that a refresh replaces them like any weight.

    TVM's importer binds buffers as constants; batch-norm statistics change with every training.

    Returns
    -------
    Qualified name of each parameter by the name of its graph input.
    """
    from torch.export.graph_signature import InputKind

    names = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.BUFFER and spec.persistent:
            spec.kind = InputKind.PARAMETER
        if spec.kind is InputKind.PARAMETER:
            names[spec.arg.name] = spec.target
    return names


def _translate(program: Any, source: str) -> tvm.IRModule:
    from tvm.relax.frontend.torch.exported_program_translator import ExportedProgramImporter

    try:
        return ExportedProgramImporter().from_exported_program(
            program,
            keep_params_as_input=True,
            unwrap_unit_return_tuple=True,
            no_bind_return_tuple=False,
            custom_convert_map=CONVERTERS,
        )
    except UnsupportedOperator as error:
        raise UnsupportedOperator(f"{source}: {error}") from error
    except Exception as error:
        text = str(error)
        match = _UNSUPPORTED.search(text)
        if match:
            raise UnsupportedOperator(
                f"{source}: cannot import operator(s) {match[1]}; rewrite the model without them"
            ) from error
        raise ModelError(f"{source}: cannot be imported: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
