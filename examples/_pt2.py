"""Writing a PyTorch module as a ``.pt2`` file that takes any batch size."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram


def export_pt2(module: nn.Module, inputs: tuple[Tensor, ...], path: Path | str) -> ExportedProgram:
    """Export `module` with a dynamic first dimension and write it to `path`.

    Parameters
    ----------
    module
        What to export, in evaluation mode.
    inputs
        One example of the inputs, their first dimension the batch. A batch of 1 would be taken
        for a constant by ``torch.export``: give at least 2.
    path
        Replaced in one step: a reader sees the old file or the new one, never half of one.
    """
    batch = Dim("batch", min=1)
    with torch.no_grad():
        program = torch.export.export(
            module, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs), strict=False
        )
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        unfinished = Path(folder) / "model.pt2"
        torch.export.save(program, unfinished)
        unfinished.replace(path)
    return program
