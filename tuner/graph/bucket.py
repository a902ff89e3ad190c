"""One static module per batch bucket, fused into the kernels that are tuned and served.

Extraction, tuning and serving all come through here: a lookup can only hit if the functions are
the same in each.
"""

from __future__ import annotations

import tvm
from tvm import relax, tirx
from tvm_ffi import structural_map

from tuner.errors import ModelError
from tuner.graph.prepare import PreparedModel


def bucket_module(prepared: PreparedModel, batch: int) -> tvm.IRModule:
    """Bind the batch and fuse; ``main`` is left calling fused TIR functions only.

    Raises
    ------
    ModelError
        If the model was exported with another, fixed batch.
    """
    model = prepared.model
    mod = prepared.mod
    if model.batch_var is not None:
        mod = relax.transform.BindSymbolicVars({model.batch_var: batch}, "main")(mod)
    elif model.fixed_batch != batch:
        raise ModelError(
            f"{model.source} was exported with a fixed batch of {model.fixed_batch}: use "
            f"--buckets {model.fixed_batch}, or export it with a dynamic batch"
        )
    return _fused(mod)


def open_module(prepared: PreparedModel) -> tvm.IRModule:
    """The same for any batch: kernels that nothing is tuned for.

    Raises
    ------
    ModelError
        If the model was exported with a fixed batch.
    """
    model = prepared.model
    if model.batch_var is None:
        raise ModelError(f"{model.source} was exported with a fixed batch of {model.fixed_batch}")
    return _fused(prepared.mod)


def _fused(mod: tvm.IRModule) -> tvm.IRModule:
    return tvm.transform.Sequential(
        [
            relax.transform.SpecializePrimFuncBasedOnCallSite(),
            _dispatch_sorts,
            relax.transform.LegalizeOps(),
            relax.transform.AnnotateTIROpPattern(),
            relax.transform.FoldConstant(),
            relax.transform.FuseOps(),
            relax.transform.FuseTIR(),
            relax.transform.DeadCodeElimination(["main"]),
            _serialise,
        ]
    )(mod)


@tvm.transform.module_pass(opt_level=0, name="DispatchSorts")  # type: ignore[untyped-decorator]
def _dispatch_sorts(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
    """Give sorts and scans their kernels: `LegalizeOps` leaves them to a pass for one target."""
    with tvm.target.Target("llvm"):
        return relax.backend.DispatchSortScan()(mod)


@tvm.transform.module_pass(opt_level=0, name="Serialise")  # type: ignore[untyped-decorator]
def _serialise(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
    """Make TVM's parallel loops serial: each inference runs on one thread."""
    for var, func in mod.functions_items():
        if isinstance(func, tirx.PrimFunc):
            mod[var] = func.with_body(structural_map(func.body, (tirx.For, _serial)))
    return mod


def _serial(loop: tirx.For) -> tirx.For:
    if int(loop.kind) != tirx.ForKind.PARALLEL:
        return loop
    return tirx.For(loop.loop_var, loop.min, loop.extent, tirx.ForKind.SERIAL, loop.body)
