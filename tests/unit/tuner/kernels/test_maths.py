"""Arithmetic in place of library calls is right for every float32, and runs in whole vectors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import tvm
from tvm import te, tirx

from db import CpuArch
from tests.helpers import Array
from tests.kernels import host_archs
from tuner.measure.compile import llvm_ir, load_kernel, schedule

COUNT = 4096
EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1.2e-38, 1e-6, 1.0, -1.0, 8.0, -8.0]
#: Where `exp` becomes subnormal, 0 and infinite.
EDGES += [-87.4, -103.9, -104.5, 88.72, 88.73, 1e3, -1e3, 3e38, -3e38]


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


#: Products of smaller numbers lose places.
SMALL = np.float32(1e-30)
#: What TVM calls each, what it is in double precision, and the most units in the last place that a
#: result of at least `SMALL` may be off by.
FUNCTIONS: dict[str, tuple[Callable[..., te.Tensor], Callable[[Array], Array], float]] = {
    "exp": (tirx.exp, np.exp, 1),
    "sigmoid": (tirx.sigmoid, _sigmoid, 3),
    "log": (tirx.log, np.log, 1),
    "tanh": (tirx.tanh, np.tanh, 5),
    "erf": (tirx.erf, np.vectorize(math.erf), 7),
    "rsqrt": (tirx.rsqrt, lambda x: 1 / np.sqrt(x), 2),
    "square": (lambda x: tirx.power(x, tirx.const(2.0, "float32")), np.square, 1),
    "cube": (lambda x: tirx.power(x, tirx.const(3.0, "float32")), lambda x: x**3, 2),
}


def inputs() -> Array:
    rng = np.random.default_rng(0)
    wide = np.exp(rng.uniform(-100, 88, COUNT)) * rng.choice([-1, 1], COUNT)
    usual = rng.uniform(-100, 90, COUNT), rng.uniform(-10, 10, COUNT), rng.standard_normal(COUNT)
    x = np.concatenate([EDGES, wide[: COUNT // 4], *(part[: COUNT // 4] for part in usual)])
    return x[:COUNT].astype(np.float32)


@pytest.mark.parametrize("arch", host_archs(), ids=lambda a: a.isa_level)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(arch: CpuArch, name: str) -> None:
    ours, exact, units = FUNCTIONS[name]
    x = te.placeholder((COUNT,), name="x")
    func = te.create_prim_func([x, te.compute((COUNT,), lambda i: ours(x[i]), name="y")])
    code = llvm_ir(schedule(func.with_attr("tirx.noalias", True), arch).mod, arch)
    assert "float> @llvm.fmuladd" in code or name in ("rsqrt", "square", "cube")
    assert not re.search(r"@(llvm\.)?(exp|log|tanh|erf|pow)f?\b", code)
    values, result = inputs(), tvm.runtime.tensor(np.zeros(COUNT, np.float32))
    load_kernel(code)["main"](tvm.runtime.tensor(values), result)
    with np.errstate(all="ignore"):
        expected = exact(values.astype(np.float64))
        rounded = expected.astype(np.float32)
    have = result.numpy()
    np.testing.assert_array_equal(np.isnan(have), np.isnan(rounded))
    np.testing.assert_array_equal(have[np.isinf(rounded)], rounded[np.isinf(rounded)])
    finite = np.isfinite(rounded)
    unit = np.spacing(np.maximum(np.abs(rounded[finite]), SMALL))
    off = np.abs(have[finite] - expected[finite]) / unit
    assert off.max() <= units, f"{values[finite][off.argmax()]}: {off.max()} units"


def test_what_saturates_is_exact() -> None:
    """A GELU multiplies ``1 + erf(x)`` by a large negative ``x``."""
    x = te.placeholder((64,), name="x")
    func = te.create_prim_func([x, te.compute((64,), lambda i: tirx.erf(x[i]), name="y")])
    arch = host_archs()[0]
    result = tvm.runtime.tensor(np.zeros(64, np.float32))
    values = np.linspace(4.5, 1000, 64, dtype=np.float32) * np.tile([1, -1], 32).astype(np.float32)
    load_kernel(llvm_ir(schedule(func, arch).mod, arch))["main"](tvm.runtime.tensor(values), result)
    np.testing.assert_array_equal(result.numpy(), np.sign(values))
