"""What every importer ends with: a tidy graph, its inputs, batch, index limits and digest."""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax

from tuner.errors import ModelError
from tuner.graph.tidy import tidy
from tuner.importers.index_limits import find_index_limits
from tuner.importers.model import BATCH, ImportedModel, InputSpec
from tuner.workloads.digest import module_digest


def finish(
    mod: tvm.IRModule,
    params: dict[str, np.ndarray],
    *,
    source: str,
    num_inputs: int,
    fingerprint: str | None = None,
    notes: dict[str, str] | None = None,
    input_names: list[str] | None = None,
) -> ImportedModel:
    """Make an `ImportedModel` of a module whose ``main`` takes inputs, then `params` in order."""
    mod, used = tidy(mod, num_inputs)
    kept = {name: a for (name, a), keep in zip(params.items(), used, strict=True) if keep}
    main = mod["main"]
    inputs = list(main.params[:num_inputs])
    if not inputs:
        raise ModelError(f"{source}: the model takes no inputs")
    outputs = _outputs(main)
    batch = _batch(source, outputs)
    batch_var = batch.name if isinstance(batch, tvm.ir.Var) else None
    names = input_names or [v.name for v in inputs]
    specs = tuple(
        InputSpec(name, str(v.ty.dtype), _extents(v, batch))
        for name, v in zip(names, inputs, strict=True)
    )
    if not any(s.batched for s in specs):
        raise ModelError(f"{source}: no input has the output's batch dimension on axis 0")
    return ImportedModel(
        source=source,
        mod=mod,
        inputs=specs,
        params=kept,
        batch_var=batch_var,
        fixed_batch=None if batch_var else int(batch),
        index_limits=find_index_limits(source, main, specs),
        digest=fingerprint or module_digest(mod),
        num_outputs=len(outputs),
        fingerprint=fingerprint,
        unused=frozenset(params) - frozenset(kept),
        notes=notes or {},
    )


def _outputs(main: relax.Function) -> list[relax.TensorType]:
    result = main.ret_ty
    return list(result.fields) if isinstance(result, relax.TupleType) else [result]


def _batch(source: str, outputs: list[relax.TensorType]) -> tvm.ir.Var | tvm.tirx.IntImm:
    """The batch is axis 0 of the output: offsets and flat indices have open axes of their own."""
    first = outputs[0]
    if not isinstance(first, relax.TensorType) or first.ndim < 1:
        raise ModelError(f"{source}: the first output has no batch dimension")
    if first.shape is None:
        raise ModelError(f"{source}: the shape of the first output depends on data")
    extent = first.shape[0]
    if not isinstance(extent, (tvm.ir.Var, tvm.tirx.IntImm)):
        raise ModelError(f"{source}: the output's batch {extent} is derived from other dimensions")
    return extent


def _extents(var: relax.Var, batch: tvm.ir.Var | tvm.tirx.IntImm) -> tuple[int | str, ...]:
    def name(axis: int, extent: tvm.ir.Expr) -> int | str:
        if isinstance(extent, tvm.tirx.IntImm):
            fixed = isinstance(batch, tvm.tirx.IntImm)
            is_batch = fixed and axis == 0 and int(extent) == int(batch)
            return BATCH if is_batch else int(extent)
        if isinstance(extent, tvm.ir.Var):
            return BATCH if extent.same_as(batch) else str(extent.name)
        return str(extent)

    return tuple(name(axis, extent) for axis, extent in enumerate(var.ty.shape))
