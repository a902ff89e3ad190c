"""Kernels besides dense layers, each as PyTorch says it and as the importer makes it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from db import Workload
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import prepare
from tuner.importers import import_model
from tuner.workloads import KernelUse, extract_workloads

_F = nn.functional


@dataclass(frozen=True, slots=True)
class Kind:
    """What is computed of tensors whose first axis is the batch."""

    compute: Callable[..., torch.Tensor]
    #: Shapes behind the batch, by the width of the cell.
    shapes: Callable[[int], Sequence[tuple[int, ...]]]
    #: Further inputs, vectors as wide as the cell.
    vectors: int = 0


def _one(width: int) -> list[tuple[int, ...]]:
    return [(width,)]


#: Vectors of an interaction or an attention, and their length.
_VECTORS, _DEPTH = 27, 64

KINDS: dict[str, Kind] = {
    "relu": Kind(lambda x: torch.relu(x * 2 + 1), _one),
    "gelu": Kind(_F.gelu, _one),
    "chain": Kind(lambda x: torch.sigmoid(x * 2 + 1) * torch.tanh(x) - x.abs(), _one),
    "sum": Kind(lambda x: x.sum(-1), _one),
    "max": Kind(lambda x: x.amax(-1), _one),
    "mean down": Kind(lambda x: x.mean(1), lambda w: [(26, w)]),
    "softmax": Kind(lambda x: torch.softmax(x, -1), _one),
    "layer norm": Kind(lambda x, s, t: _F.layer_norm(x, s.shape, s, t), _one, 2),
    "norm + residual": Kind(
        lambda x, s, t: torch.relu(_F.layer_norm(x, s.shape, s, t)) + x, _one, 2
    ),
    "concat": Kind(lambda x, y, z: torch.cat([x, y, z], 1), lambda w: [(w,), (64,), (13,)]),
    "concat + relu": Kind(lambda x, y: torch.relu(torch.cat([x, y], 1)), lambda w: [(w,), (64,)]),
    "x @ y": Kind(torch.bmm, lambda w: [(_VECTORS, _DEPTH), (_DEPTH, w)]),
    "x @ y^T": Kind(
        lambda x, y: torch.bmm(x, y.transpose(1, 2)), lambda w: [(_VECTORS, _DEPTH), (w, _DEPTH)]
    ),
}


class _Module(nn.Module):
    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self._kind = kind

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self._kind.compute(*inputs)


@functools.cache
def _prepared(kind: str, width: int) -> Any:
    """The model of one kind and width, its batch open."""
    module = _Module(KINDS[kind])
    inputs = [torch.randn(5, *shape) for shape in KINDS[kind].shapes(width)]
    vectors = [torch.randn(width) for _ in range(KINDS[kind].vectors)]
    batch = torch.export.Dim("batch", min=1)
    shapes = (tuple([{0: batch} for _ in inputs] + [None for _ in vectors]),)
    with torch.no_grad():
        program = torch.export.export(
            module, (*inputs, *vectors), dynamic_shapes=shapes, strict=False
        )
    return prepare(import_model(program))


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table."""

    kind: str
    batch: int
    width: int

    def use(self) -> KernelUse:
        """The one kernel that it becomes."""
        (use,) = extract_workloads(bucket_module(_prepared(self.kind, self.width), self.batch))
        return use

    def workload(self) -> Workload:
        """The kernel as the database knows it."""
        return self.use().workload

    @property
    def flops(self) -> float:
        """Operations as they are written: an exponential counts as one."""
        return self.use().facts.flops

    def theirs(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """What PyTorch computes."""
        return KINDS[self.kind].compute(*inputs)
