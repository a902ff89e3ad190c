"""Compiles single operators and holds them against NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tvm
from tvm import relax

from db import CpuArch
from tests.helpers import Array
from tuner.arch import host_arch, resolve, runs_on
from tuner.measure.compile import llvm_ir, load_kernel, schedule
from tuner.measure.data import make_arguments
from tuner.workloads.digest import normalise
from tuner.workloads.facts import facts_of


def host_archs() -> list[CpuArch]:
    """One architecture for each width of vectors that this CPU has."""
    return [a for a in (resolve("avx512"), resolve("avx2")) if runs_on(a, host_arch())]


def bind_batch(func: tvm.tirx.PrimFunc, batch: int) -> tvm.tirx.PrimFunc:
    """Specialise an operator whose buffers start with one open dimension, as a bucket does."""
    types = [
        relax.TensorType(
            [int(d) if isinstance(d, tvm.tirx.IntImm) else batch for d in p.ty.shape],
            str(p.ty.dtype),
        )
        for p in func.params
    ]
    builder = relax.BlockBuilder()
    inputs = [relax.Var(f"x{i}", ty) for i, ty in enumerate(types[:-1])]
    with builder.function("main", inputs):
        callee = builder.add_func(func, "kernel")
        builder.emit_func_output(builder.emit(relax.call_tir(callee, inputs, types[-1])))
    mod = relax.transform.SpecializePrimFuncBasedOnCallSite()(builder.get())
    return normalise(next(f for v, f in mod.functions_items() if v.name_hint != "main"))


def fused(
    build: Callable[..., relax.Expr], *shapes: Sequence[int], dtype: str = "float32"
) -> tvm.tirx.PrimFunc:
    """The one kernel that an expression over inputs of some shapes becomes, as in a bucket."""
    builder = relax.BlockBuilder()
    inputs = [relax.Var(f"x{i}", relax.TensorType(list(s), dtype)) for i, s in enumerate(shapes)]
    with builder.function("main", inputs):
        with builder.dataflow():
            result = builder.emit_output(builder.normalize(build(*inputs)))
        builder.emit_func_output(result)
    mod = tvm.transform.Sequential(
        [
            relax.transform.LegalizeOps(),
            relax.transform.AnnotateTIROpPattern(),
            relax.transform.FuseOps(),
            relax.transform.FuseTIR(),
            relax.transform.DeadCodeElimination(["main"]),
        ]
    )(builder.get())
    (func,) = (f for v, f in mod.functions_items() if v.name_hint != "main")
    return normalise(func)


def check_kernel(
    func: tvm.tirx.PrimFunc,
    expected: Callable[..., Array],
    arch: CpuArch,
    config: Mapping[str, int] | None = None,
    *,
    atol: float = 1e-4,
) -> None:
    """Run a function on random arguments and compare with NumPy, which gets them as float64."""
    kernel = load_kernel(llvm_ir(schedule(func, arch, config=config).mod, arch))
    arguments = make_arguments(facts_of(func))
    result = np.from_dlpack(arguments[-1])
    result[...] = np.nan
    kernel["main"](*arguments)
    wide = [
        a.astype(np.float64) if a.dtype.kind == "f" else a
        for a in (t.numpy() for t in arguments[:-1])
    ]
    np.testing.assert_allclose(result, expected(*wide), rtol=1e-5, atol=atol, err_msg=str(config))
