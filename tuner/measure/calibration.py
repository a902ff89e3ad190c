"""How fast the measuring core is right now: what a kernel's figure is held against.

The peak is measured by independent chains of fused multiply-adds, enough of them to fill both
ports (latency 4, two per cycle: eight; twelve leave room), on the widest registers of this CPU.
"""

from __future__ import annotations

import functools
import time

import numpy as np
import tvm
from tvm.script import from_source
from tvm.script import tirx as script

from tuner.arch import host_arch, simd_of
from tuner.measure.compile import llvm_ir, load_kernel

_CHAINS = 12
_STEPS = 100_000

_SOURCE = """
@T.prim_func(s_tir=True)
def main(x: T.Buffer(({twice},), "float32"), out: T.Buffer(({total},), "float32")):
    T.func_attr({{"tirx.noalias": True, "global_symbol": "main"}})
    for i in T.unroll({chains}):
        for lane in T.vectorized({lanes}):
            out[i * {lanes} + lane] = x[lane]
    for step in range({steps}):
        for i in T.unroll({chains}):
            for lane in T.vectorized({lanes}):
                out[i * {lanes} + lane] = out[i * {lanes} + lane] * x[lane] + x[{lanes} + lane]
"""


@functools.cache
def _kernel() -> tuple[tvm.runtime.Module, list[tvm.runtime.Tensor], float]:
    lanes = simd_of(host_arch()).lanes
    source = _SOURCE.format(
        twice=2 * lanes, total=_CHAINS * lanes, chains=_CHAINS, lanes=lanes, steps=_STEPS
    )
    func = from_source(source, extra_vars={"T": script})
    code = llvm_ir(tvm.IRModule({"main": func}), host_arch())
    data = [
        tvm.runtime.tensor(np.full(2 * lanes, 0.5, np.float32)),
        tvm.runtime.tensor(np.zeros(_CHAINS * lanes, np.float32)),
    ]
    return load_kernel(code), data, 2.0 * _CHAINS * lanes * _STEPS


def fma_gflops(seconds: float = 0.02) -> float:
    """Peak of one core in GFLOP/s: the best of several runs within `seconds`."""
    kernel, data, flops = _kernel()
    evaluator = kernel.time_evaluator("main", tvm.cpu(), number=1, repeat=1)
    end = time.perf_counter() + seconds
    best = float(evaluator(*data).results[0])
    while time.perf_counter() < end:
        best = min(best, float(evaluator(*data).results[0]))
    return flops / best / 1e9


def calibrate() -> dict[str, float]:
    """Speed of this core now."""
    return {"fma_gflops": fma_gflops()}
