"""Runs imported models end to end on default schedules, and holds them against the original."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import tvm
from torch import nn
from tvm import relax

from db import CpuArch
from tuner.arch import host_arch, target_of
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import PreparedModel, prepare
from tuner.importers import ImportedModel, import_model
from tuner.measure.compile import schedule
from tuner.workloads import KernelUse, extract_workloads

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CompiledBucket:
    """One batch size of a model, every kernel on its default schedule."""

    prepared: PreparedModel
    uses: tuple[KernelUse, ...]
    vm: relax.VirtualMachine

    def __call__(
        self, inputs: Sequence[Array], weights: dict[str, Array] | None = None
    ) -> list[Array]:
        """Score one batch."""
        packed = self.prepared.pack(weights or self.prepared.model.params)
        arguments = [tvm.runtime.tensor(np.ascontiguousarray(a)) for a in (*inputs, *packed)]
        result = self.vm["main"](*arguments)
        outputs = [result] if isinstance(result, tvm.runtime.Tensor) else list(result)
        return [output.numpy() for output in outputs]

    @property
    def kinds(self) -> list[str]:
        """Operator kinds of the workloads, in the order of their calls."""
        return [use.facts.op_kind for use in self.uses]


class Apply(nn.Module):
    """A module made of a function and the modules it uses."""

    def __init__(self, function: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(self, *inputs)


def compile_bucket(
    prepared: PreparedModel, batch: int, arch: CpuArch | None = None
) -> CompiledBucket:
    """Compile `prepared` for one batch size."""
    arch = arch or host_arch()
    mod = bucket_module(prepared, batch)
    uses = extract_workloads(mod)
    for use in uses:
        func = schedule(use.func, arch).mod["main"]
        for name in use.functions:
            mod[name] = func.without_attr("global_symbol")
    executable = tvm.compile(mod, target=target_of(arch))
    return CompiledBucket(prepared, tuple(uses), relax.VirtualMachine(executable, tvm.cpu()))


def export(module: nn.Module, inputs: Sequence[torch.Tensor], **options: Any) -> ImportedModel:
    """Export a torch module with its batch open, and import it.

    Parameters
    ----------
    inputs
        Example inputs; axis 0 of each is the batch unless `options` give ``dynamic_shapes``.
    """
    batch = torch.export.Dim("batch", min=1)
    shapes = options.pop("dynamic_shapes", tuple({0: batch} for _ in inputs))
    # torch takes ``*inputs`` for one argument.
    options["dynamic_shapes"] = (shapes,) if isinstance(module, Apply) else shapes
    with torch.no_grad():
        program = torch.export.export(module.eval(), tuple(inputs), strict=False, **options)
    return import_model(program)


def check_torch(
    module: nn.Module,
    make_inputs: Any,
    batches: Sequence[int] = (3,),
    arch: CpuArch | None = None,
    labels: Sequence[str] | None = None,
    **options: Any,
) -> list[CompiledBucket]:
    """Hold the kernels of a torch module against torch at several batch sizes.

    Parameters
    ----------
    make_inputs
        Makes the inputs, torch tensors, for a batch.
    labels
        Names of the outputs, for messages.
    options
        For `torch.export.export`.
    """
    model = export(module, make_inputs(5), **options)
    prepared = prepare(model)
    compiled = []
    for batch in batches:
        inputs = make_inputs(batch)
        bucket = compile_bucket(prepared, batch, arch)
        with torch.no_grad():
            expected = module(*inputs)
        outputs = expected if isinstance(expected, (tuple, list)) else (expected,)
        scores = bucket([x.numpy() for x in inputs])
        for i, (have, want) in enumerate(zip(scores, outputs, strict=True)):
            label = f"batch {batch}, {labels[i] if labels else f'output {i}'}"
            np.testing.assert_allclose(have, want.numpy(), rtol=1e-4, atol=1e-5, err_msg=label)
        compiled.append(bucket)
    return compiled


def onnx_scores(path: Path, inputs: Sequence[Array]) -> list[Array]:
    """What ONNX Runtime makes of `inputs`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    names = [value.name for value in session.get_inputs()]
    return [np.asarray(a) for a in session.run(None, dict(zip(names, inputs, strict=True)))]
