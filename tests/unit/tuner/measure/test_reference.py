"""What counts as a right result."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm.script import from_source
from tvm.script import tirx as script

from db import ErrorKind
from tuner.arch import host_arch
from tuner.measure import MeasureOptions, RunResult
from tuner.measure.compile import llvm_ir
from tuner.measure.reference import in_double, make_cases
from tuner.measure.run import run_kernel
from tuner.workloads.facts import facts_of

_MAP = """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((8, 16), "float32"), y: T.Buffer((8, 16), "float32")):
    T.func_attr({{"tirx.noalias": True, "global_symbol": "main"}})
    for i, j in T.grid(8, 16):
        with T.sblock("compute"):
            a, b = T.axis.remap("SS", [i, j])
            y[a, b] = {}
"""
_BEYOND = """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((8, 16), "float32"), y: T.Buffer((8, 16), "float32")):
    T.func_attr({"tirx.noalias": True, "global_symbol": "main"})
    beyond = T.decl_buffer((9, 16), "float32", data=y.data)
    for i, j in T.grid(9, 16):
        beyond[i, j] = x[i % 8, j] * T.float32(2)
"""
OPTIONS = MeasureOptions(min_repeat_s=1e-4, repeats=2, patience_s=0.0)


def parse(source: str) -> tvm.tirx.PrimFunc:
    return from_source(source, extra_vars={"T": script})


def element_wise(formula: str) -> tvm.tirx.PrimFunc:
    return parse(_MAP.format(formula))


def judge(definition: tvm.tirx.PrimFunc, candidate: tvm.tirx.PrimFunc) -> RunResult:
    """Measure one function as a candidate for another."""
    code = llvm_ir(tvm.IRModule({"main": candidate}), host_arch())
    tir = tvm.ir.save_json(definition)
    return run_kernel(str(hash(tir)), tir, code, None, OPTIONS)


@pytest.mark.parametrize(
    "formula",
    [
        "x[a, b] * T.float32(2)",
        "T.exp(x[a, b])",
        "T.log(x[a, b])",
        "T.sqrt(x[a, b])",
        "T.float32(1) / x[a, b]",
        "T.exp(x[a, b]) / T.exp(x[a, b])",
    ],
)
def test_the_definition_itself_is_right(formula: str) -> None:
    """Also where it overflows, has no value, or is worse than double precision."""
    result = judge(element_wise(formula), element_wise(formula))
    assert result.failure is None
    assert len(result.run_secs) == OPTIONS.repeats


@pytest.mark.parametrize(
    "wrong",
    [
        "x[a, b] * T.float32(2.001)",
        "T.if_then_else(x[a, b] > T.float32(900), T.float32(0), x[a, b] * T.float32(2))",
        "T.if_then_else(a == 7 and b == 15, T.float32(0), x[a, b] * T.float32(2))",
    ],
)
def test_another_function_is_wrong(wrong: str) -> None:
    """Also where only one element differs, or only at the edges of the range."""
    result = judge(element_wise("x[a, b] * T.float32(2)"), element_wise(wrong))
    assert result.failure is not None
    assert result.failure.kind == ErrorKind.WRONG_RESULT
    assert result.run_secs == ()


def test_a_formula_that_overflows_on_the_way_is_wrong() -> None:
    """Random inputs alone would let it pass."""
    doubled = "T.exp(T.float32(2) * x[a, b])"
    naive = f"({doubled} - T.float32(1)) / ({doubled} + T.float32(1))"
    result = judge(element_wise("T.tanh(x[a, b])"), element_wise(naive))
    assert result.failure is not None
    assert result.failure.kind == ErrorKind.WRONG_RESULT


def test_what_is_written_behind_the_output_is_found() -> None:
    result = judge(element_wise("x[a, b] * T.float32(2)"), parse(_BEYOND))
    assert result.failure is not None
    assert "beyond the ends" in result.failure.text


def test_the_reference_is_computed_in_double_precision() -> None:
    func = element_wise("x[a, b] * T.float32(0.1)")
    double = in_double(func)
    assert {str(p.ty.dtype) for p in double.params} == {"float64"}
    case, edges = make_cases(func, facts_of(func), 1e-6)
    x = np.from_dlpack(case.arguments[0])
    # Closer than any float32 result can be.
    np.testing.assert_allclose(case.expected, x.astype(np.float64) * 0.1, rtol=3e-8)
    assert np.abs(np.from_dlpack(edges.arguments[0])).max() == 1e3
