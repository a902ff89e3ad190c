"""Kernels that go row by row are right for every width and configuration, edges included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tvm
from tvm import relax
from tvm_ffi import structural_equal

from db import CpuArch
from tests.kernels import fused, host_archs
from tuner.arch import resolve, simd_of
from tuner.kernels.rows import ByRow
from tuner.measure.compile import llvm_ir, load_kernel, schedule, trace_text
from tuner.measure.reference import make_cases
from tuner.measure.types import DEFAULT_OPTIONS
from tuner.templates import fallbacks, template_for
from tuner.workloads.facts import facts_of

op = relax.op
LEVELS = ("avx2", "avx512")
#: One, less than a vector, one lane less than vectors, a prime.
WIDTHS = (1, 13, 63, 131)
BATCH = 3


def norm(x: relax.Expr, scale: relax.Expr, shift: relax.Expr) -> relax.Expr:
    return op.nn.layer_norm(x, scale, shift, axes=[-1])


def swish(x: relax.Expr) -> relax.Expr:
    doubled = op.add(op.multiply(x, relax.const(2.0)), relax.const(1.0))
    return op.subtract(op.multiply(op.sigmoid(doubled), op.tanh(x)), op.abs(x))


#: What a kernel computes of tensors ``[BATCH, width]`` or ``[width]``, and its template.
KINDS: dict[str, tuple[Callable[..., Any], Callable[[int], Sequence[Sequence[int]]], str]] = {
    "chain": (swish, lambda w: [(BATCH, w)], "elementwise"),
    "gelu": (op.nn.gelu, lambda w: [(BATCH, w)], "elementwise"),
    "bias": (lambda x, b: op.nn.relu(op.add(x, b)), lambda w: [(BATCH, w), (w,)], "elementwise"),
    "scaled rows": (op.multiply, lambda w: [(BATCH, w), (BATCH, 1)], "elementwise"),
    "sum": (lambda x: op.sum(x, axis=[-1]), lambda w: [(BATCH, w)], "reduction"),
    "max": (lambda x: op.max(x, axis=[-1]), lambda w: [(BATCH, w)], "reduction"),
    "min down": (lambda x: op.min(x, axis=[1]), lambda w: [(BATCH, 5, w)], "reduction"),
    "mean down": (lambda x: op.mean(x, axis=[1]), lambda w: [(BATCH, 5, w)], "reduction"),
    "variance": (lambda x: op.variance(x, axis=[-1]), lambda w: [(BATCH, w)], "reduction"),
    "variance down": (lambda x: op.variance(x, axis=[1]), lambda w: [(BATCH, 5, w)], "reduction"),
    "sum of all": (lambda x: op.sum(x, axis=[1, 2]), lambda w: [(BATCH, 5, w)], "reduction"),
    "log softmax": (lambda x: op.nn.log_softmax(x), lambda w: [(BATCH, w)], "reduction"),
    "softmax": (lambda x: op.nn.softmax(x), lambda w: [(BATCH, 2, w)], "softmax"),
    "layer norm": (norm, lambda w: [(BATCH, w), (w,), (w,)], "layer_norm"),
    "residual": (
        lambda x, s, t: op.add(op.nn.relu(norm(x, s, t)), x),
        lambda w: [(BATCH, w), (w,), (w,)],
        "layer_norm",
    ),
    "norm of matrices": (
        lambda x, s, t: op.nn.layer_norm(x, s, t, axes=[-2, -1]),
        lambda w: [(BATCH, 5, w), (5, w), (5, w)],
        "layer_norm",
    ),
    "concat": (
        lambda x, y: op.nn.relu(op.concat([x, op.exp(y), x], axis=1)),
        lambda w: [(BATCH, w), (BATCH, 20)],
        "elementwise",
    ),
}


def some(values: Sequence[Any], count: int) -> list[Any]:
    return list(values[:: max(1, len(values) // count)])


@pytest.mark.parametrize("arch", host_archs(), ids=lambda a: a.isa_level)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_configuration_is_right(arch: CpuArch, kind: str, width: int) -> None:
    build, shapes, template = KINDS[kind]
    func = fused(build, *shapes(width))
    facts = facts_of(func)
    assert template_for(facts).name == template
    cases = make_cases(func, facts, DEFAULT_OPTIONS.tolerance)
    for config in some(template_for(facts).space(facts, simd_of(arch)).configs, 2):
        kernel = load_kernel(llvm_ir(schedule(func, arch, config=config).mod, arch))
        for case in cases:
            assert case.check(kernel)[0] == "", config


@pytest.mark.parametrize("kind", ["chain", "softmax", "layer norm", "sum", "max"])
def test_what_is_no_number_spreads(kind: str) -> None:
    """Infinities and NaN come out as from the definition."""
    build, shapes, _ = KINDS[kind]
    func = fused(build, *shapes(21))
    arch = host_archs()[0]
    definition = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
    kernels = [load_kernel(llvm_ir(mod, arch)) for mod in (definition, schedule(func, arch).mod)]
    arguments = [np.ones([int(d) for d in p.ty.shape], np.float32) for p in func.params]
    # The last column is in the vector that ends with the row, and not in the one before.
    for value in (np.nan, np.inf, -np.inf):
        arguments[0][..., -1] = value
        results = []
        for kernel in kernels:
            tensors = [tvm.runtime.tensor(a) for a in arguments]
            kernel["main"](*tensors)
            results.append(tensors[-1].numpy())
        np.testing.assert_allclose(results[1], results[0], rtol=1e-5, err_msg=str(value))


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_is_in_the_space(kind: str) -> None:
    build, shapes, _ = KINDS[kind]
    for width in (1, 2, 7, 16, 63, 415, 100_003):
        facts = facts_of(fused(build, *shapes(width)))
        template = template_for(facts)
        for simd in map(simd_of, map(resolve, LEVELS)):
            space = template.space(facts, simd)
            assert template.default(facts, simd) in space
            for config in space.configs:
                assert config["unroll"] * config["lanes"] <= simd.registers * simd.lanes


def test_a_record_is_replayed_from_its_text() -> None:
    func, arch = fused(KINDS["softmax"][0], (BATCH, 2, 63)), host_archs()[0]
    facts = facts_of(func)
    for config in template_for(facts).space(facts, simd_of(arch)).configs:
        made = schedule(func, arch, config=config)
        again = schedule(func, arch, trace=trace_text(made.trace))
        assert structural_equal(made.mod, again.mod)


def test_exponentials_are_computed_once() -> None:
    func = fused(KINDS["softmax"][0], (BATCH, 2, 100))
    assert facts_of(func).by_row == ByRow(widest=100, reduces=True, columns=0)
    code = schedule(func, host_archs()[0], config={"lanes": 8, "unroll": 1}).mod.script()
    # One for whole vectors, one for what is left of a row.
    assert code.count("T.round(") == 2


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda x: op.nn.softmax(x, axis=1), id="softmax over another axis"),
        pytest.param(lambda x: op.argmax(x, axis=-1), id="argmax"),
    ],
)
def test_other_functions_keep_the_default(build: Callable[..., Any]) -> None:
    facts = facts_of(fused(build, (BATCH, 5, 13)))
    assert facts.by_row is None
    assert template_for(facts).name == "default"


def test_no_kernel_here_falls_back() -> None:
    before = fallbacks()
    for build, shapes, _ in KINDS.values():
        schedule(fused(build, *shapes(13)), host_archs()[0])
    assert fallbacks() == before
