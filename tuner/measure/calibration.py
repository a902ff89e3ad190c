"""How fast the measuring core is right now: what a kernel's figure is held against.

The peak is measured by independent chains of fused multiply-adds, enough of them to fill both
ports (latency 4, two per cycle: eight; twelve leave room), on the widest registers of this CPU.
Reading is measured by adding up buffers of several sizes, the smallest of which stays in the L1
cache and the largest in none.
"""

from __future__ import annotations

import functools
import time

import numpy as np
import tvm
from tvm.script import from_source
from tvm.script import tirx as script

from tuner.arch import host_arch, simd_of
from tuner.arena import Arena
from tuner.measure.compile import llvm_ir, load_kernel
from tuner.measure.roofline import AVX2_LANES, AVX2_PEAK

_CHAINS = 12
_STEPS = 100_000
#: Bytes of the buffers that are read, and what their figures are called.
READ_SIZES = {
    16 << 10: "read_gbs_16KiB",
    256 << 10: "read_gbs_256KiB",
    4 << 20: "read_gbs_4MiB",
    64 << 20: "read_gbs_64MiB",
}

_FMA = """
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

_READ = """
@T.prim_func(s_tir=True)
def main(x: T.Buffer(({floats},), "float32"), out: T.Buffer(({total},), "float32")):
    T.func_attr({{"tirx.noalias": True, "global_symbol": "main"}})
    for i in T.unroll({chains}):
        for lane in T.vectorized({lanes}):
            out[i * {lanes} + lane] = T.float32(0)
    for step in range({steps}):
        for i in T.unroll({chains}):
            for lane in T.vectorized({lanes}):
                out[i * {lanes} + lane] = (
                    out[i * {lanes} + lane] + x[step * {total} + i * {lanes} + lane]
                )
"""

#: Registers that what is read is added to; a power of two, so that they divide every size.
_SUMS = 8


def _compiled(source: str, **sizes: int) -> tvm.runtime.Module:
    func = from_source(source.format(**sizes), extra_vars={"T": script})
    return load_kernel(llvm_ir(tvm.IRModule({"main": func}), host_arch()))


@functools.cache
def fma_kernel(lanes: int) -> tuple[tvm.runtime.Module, list[tvm.runtime.Tensor], float]:
    """Code whose ``main`` multiplies and adds on registers, what it takes, and its operations."""
    kernel = _compiled(
        _FMA, twice=2 * lanes, total=_CHAINS * lanes, chains=_CHAINS, lanes=lanes, steps=_STEPS
    )
    data = [
        tvm.runtime.tensor(np.full(2 * lanes, 0.5, np.float32)),
        tvm.runtime.tensor(np.zeros(_CHAINS * lanes, np.float32)),
    ]
    return kernel, data, 2.0 * _CHAINS * lanes * _STEPS


@functools.cache
def _read_kernel(nbytes: int) -> tuple[tvm.runtime.Module, list[tvm.runtime.Tensor]]:
    lanes = simd_of(host_arch()).lanes
    total = _SUMS * lanes
    floats = nbytes // 4 // total * total
    kernel = _compiled(
        _READ, floats=floats, total=total, chains=_SUMS, lanes=lanes, steps=floats // total
    )
    arena = Arena([((floats,), "float32"), ((total,), "float32")])
    data = [arena.empty((floats,), "float32"), arena.empty((total,), "float32")]
    # Pages never written would all be one page of zeros.
    np.from_dlpack(data[0])[...] = 1.0
    return kernel, data


def _fastest(
    kernel: tvm.runtime.Module, data: list[tvm.runtime.Tensor], number: int, seconds: float
) -> float:
    evaluator = kernel.time_evaluator("main", tvm.cpu(), number=number, repeat=1)
    end = time.perf_counter() + seconds
    best = float(evaluator(*data).results[0])
    while time.perf_counter() < end:
        best = min(best, float(evaluator(*data).results[0]))
    return best


def fma_gflops(seconds: float = 0.02, lanes: int | None = None) -> float:
    """Peak of one core in GFLOP/s: the best of several runs within `seconds`.

    Parameters
    ----------
    lanes
        float32 values in a register; the widest registers of this CPU if None.
    """
    kernel, data, flops = fma_kernel(lanes or simd_of(host_arch()).lanes)
    return flops / _fastest(kernel, data, 1, seconds) / 1e9


def read_gbs(nbytes: int, seconds: float = 0.005) -> float:
    """Rate at which one core reads a buffer of `nbytes` again and again, in GB/s."""
    kernel, data = _read_kernel(nbytes)
    number = max(1, (1 << 20) // nbytes)
    moved = 4.0 * int(data[0].shape[0])
    return moved / _fastest(kernel, data, number, seconds) / 1e9


def calibrate() -> dict[str, float]:
    """Speed of this core now: see `fma_gflops` and `read_gbs`.

    A CPU with wider registers is also measured on those of avx2, for kernels of that level.
    """
    measured = {name: read_gbs(nbytes) for nbytes, name in READ_SIZES.items()}
    measured["fma_gflops"] = fma_gflops()
    if simd_of(host_arch()).lanes > AVX2_LANES:
        measured[AVX2_PEAK] = fma_gflops(lanes=AVX2_LANES)
    return measured
