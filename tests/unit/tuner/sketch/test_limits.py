"""What LLVM would be handed is counted, and too much of it is turned down."""

from __future__ import annotations

import pytest
import tvm
from tvm.s_tir import Schedule

from tests.unit.tuner.sketch.functions import add_function, dense_function
from tuner.arch import Simd
from tuner.sketch import Effort, effort_of, too_much
from tuner.sketch.limits import MAX_ACCESSES, MAX_VECTOR

AVX2, AVX512 = Simd(8, 16), Simd(16, 32)


def scheduled(func: tvm.tirx.PrimFunc) -> Schedule:
    return Schedule(tvm.IRModule({"main": func.with_attr("global_symbol", "main")}))


def tiled(rows: int, panels: int) -> tvm.IRModule:
    """A dense layer whose innermost loop keeps ``rows x panels`` vectors."""
    sch = scheduled(dense_function(batch=rows, depth=8, outputs=16 * panels))
    sch.compute_inline("T_add")
    block = sch.get_sblock("dense")
    b, j, k = sch.get_loops(block)
    panel, lane = sch.split(j, [None, 16])
    sch.reorder(k, b, panel, lane)
    for loop in (b, panel):
        sch.unroll(loop)
    sch.vectorize(lane)
    sch.decompose_reduction(block, k)
    return sch.mod


def test_accesses_are_counted_in_registers() -> None:
    sch = scheduled(add_function(rows=1, columns=32))
    sch.vectorize(sch.get_loops("T_add")[-1])
    # Two loads and one store of 32 values: two registers each on avx512, four on avx2.
    assert effort_of(sch.mod, AVX512) == Effort(accesses=6, vector=2, accumulators=0)
    assert effort_of(sch.mod, AVX2) == Effort(accesses=12, vector=4, accumulators=0)


def test_a_vector_across_memory_counts_every_value() -> None:
    sch = scheduled(add_function(rows=16, columns=2))
    row, column = sch.get_loops("T_add")
    sch.reorder(column, row)
    sch.vectorize(row)
    assert effort_of(sch.mod, AVX512).accesses == 3 * 16


def test_unrolling_multiplies_the_code() -> None:
    sch = scheduled(add_function(rows=64, columns=16))
    row, column = sch.get_loops("T_add")
    before = effort_of(sch.mod, AVX512).accesses
    sch.unroll(row)
    sch.vectorize(column)
    assert effort_of(sch.mod, AVX512).accesses == 64 * before


@pytest.mark.parametrize(("rows", "panels"), [(1, 1), (4, 2), (8, 4)])
def test_accumulators_are_what_the_innermost_loop_keeps(rows: int, panels: int) -> None:
    assert effort_of(tiled(rows, panels), AVX512).accumulators == rows * panels
    assert effort_of(tiled(rows, panels), AVX2).accumulators == 2 * rows * panels


def test_too_much_is_named() -> None:
    assert too_much(Effort(10, 1, 20), AVX512) == ""
    assert too_much(Effort(MAX_ACCESSES + 1, 1, 1), AVX512) == "code"
    assert too_much(Effort(10, MAX_VECTOR + 1, 1), AVX512) == "vector"
    assert too_much(Effort(10, 1, 64), AVX512) == "registers"
    assert too_much(effort_of(tiled(8, 2), AVX2), AVX2) == "registers"
    assert too_much(effort_of(tiled(8, 2), AVX512), AVX512) == ""
