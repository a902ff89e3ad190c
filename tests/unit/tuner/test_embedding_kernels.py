"""Rows of tables are summed and copied right for every configuration, with and without prefetch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tvm
from tvm import te
from tvm_ffi import structural_equal

from db import CpuArch
from tests.helpers import Array
from tests.kernels import bind_batch, check_kernel, host_archs
from tuner.arch import simd_of
from tuner.measure.compile import build_kernel, llvm_ir, load_kernel, schedule
from tuner.ops import (
    BagSegment,
    CopySegment,
    OffsetBags,
    bag_from_offsets,
    embedding_bag,
    embedding_concat,
    gather,
)
from tuner.templates import Config, fallbacks, template_for
from tuner.workloads.digest import normalise
from tuner.workloads.facts import facts_of

ARCHS = pytest.mark.parametrize("arch", host_archs(), ids=lambda a: a.isa_level)


def lookup(kernel: Any, bags: int, hots: int, width: int, rows: int = 50) -> tvm.tirx.PrimFunc:
    table = te.placeholder((rows, width), name="table")
    indices = te.placeholder((bags, hots), "int64", name="indices")
    func = te.create_prim_func([table, indices, kernel(table, indices)], "int64")
    return normalise(func.with_attr("tirx.noalias", True))


def some(func: tvm.tirx.PrimFunc, arch: CpuArch, count: int) -> list[Config | None]:
    """The default, and configurations from all over the space."""
    facts = facts_of(func)
    template = template_for(facts)
    space = template.space(facts, simd_of(arch)).configs
    assert template.default(facts, simd_of(arch)) in space
    return [None, *space[:: max(1, len(space) // count)]]


@ARCHS
@pytest.mark.parametrize(
    ("bags", "hots", "width"),
    [(3, 20, 64), (2, 1, 16), (3, 7, 13), (2, 4, 1), (1, 13, 600), (5, 80, 31)],
)
def test_bags(arch: CpuArch, bags: int, hots: int, width: int) -> None:
    func = lookup(embedding_bag, bags, hots, width)
    before = fallbacks()
    for config in some(func, arch, 2):
        check_kernel(func, lambda t, i: t[i].sum(1), arch, config)
    assert fallbacks() == before


@ARCHS
def test_gathered_rows(arch: CpuArch) -> None:
    func = lookup(gather, 5, 3, 24)
    for config in some(func, arch, 2):
        check_kernel(func, lambda t, i: t[i], arch, config)


@ARCHS
def test_rows_and_bags_beside_others(arch: CpuArch) -> None:
    tables: list[tuple[tuple[int | str, ...], str]] = [
        ((100, 32), "float32"),
        (("batch", 8), "int64"),
        (("batch", 9), "float32"),
        ((50, 13), "float32"),
        (("batch", 2, 3), "int64"),
    ]
    func = embedding_concat(
        tables,
        [
            BagSegment(0, 1, None, 100, 32, 4, 2),
            CopySegment(2, 7),
            BagSegment(0, 1, None, 100, 32, 1, 0),
            BagSegment(3, 4, 1, 50, 13, 3),
        ],
        "float32",
    )
    func = bind_batch(func, 5)

    def expected(t: Array, i: Array, x: Array, u: Array, j: Array) -> Array:
        return np.concatenate([t[i[:, 2:6]].sum(1), x[:, :7], t[i[:, 0]], u[j[:, 1]].sum(1)], 1)

    for config in some(func, arch, 3):
        check_kernel(func, expected, arch, config)


@ARCHS
@pytest.mark.parametrize(
    "bags",
    [
        OffsetBags(50, 64, "float32", "int64", "int64", False, False, False),
        OffsetBags(50, 13, "float32", "int32", "int64", True, False, True),
        OffsetBags(50, 160, "float32", "int64", "int64", False, True, False, padding_idx=2),
    ],
    ids=["sum", "mean", "weighted"],
)
def test_bags_cut_at_offsets(arch: CpuArch, bags: OffsetBags) -> None:
    func = normalise(bag_from_offsets(bags))
    rng = np.random.default_rng(0)
    cuts = np.cumsum([0, 0, 3, 5, 1, 40])
    table = rng.standard_normal((bags.rows, bags.dim)).astype(np.float32)
    indices = rng.integers(0, bags.rows, cuts[-1]).astype(bags.index_dtype)
    weights = rng.standard_normal(cuts[-1]).astype(np.float32)
    terms = table[indices] * (weights[:, None] if bags.weighted else 1)
    terms[indices == bags.padding_idx] = 0
    sums = np.array([terms[a:b].sum(0) for a, b in pairwise(cuts)])
    if bags.mean:
        sums /= np.maximum(np.diff(cuts), 1)[:, None]
    offsets = (cuts if bags.include_last_offset else cuts[:-1]).astype(np.int64)
    inputs = [table, indices, *([weights] if bags.weighted else []), offsets]
    for config in some(func, arch, 4):
        kernel = load_kernel(llvm_ir(schedule(func, arch, config=config).mod, arch))
        out = tvm.runtime.tensor(np.full((len(cuts) - 1, bags.dim), np.nan, np.float32))
        kernel["main"](*(tvm.runtime.tensor(a) for a in inputs), out)
        np.testing.assert_allclose(out.numpy(), sums, rtol=1e-4, atol=1e-4, err_msg=str(config))


@pytest.mark.parametrize("kernel", [embedding_bag, gather])
def test_rows_are_prefetched_when_asked_for(kernel: Any) -> None:
    func = lookup(kernel, 4, 20, 64)
    arch = host_archs()[0]
    base = template_for(facts_of(func)).default(facts_of(func), simd_of(arch))
    codes = [
        llvm_ir(schedule(func, arch, config={**base, "ahead": ahead}).mod, arch)
        for ahead in (0, 16)
    ]
    assert ["@llvm.prefetch" in code for code in codes] == [False, True]


def test_a_trace_brings_its_annotations_back() -> None:
    """What is stored of a kernel is a trace; replayed, it gives the same code."""
    func = lookup(embedding_bag, 4, 20, 64)
    arch = host_archs()[0]
    base = template_for(facts_of(func)).default(facts_of(func), simd_of(arch))
    config = {**base, "ahead": 16}
    built = build_kernel(tvm.ir.save_json(func), arch, config, None)
    assert built.trace is not None
    again = schedule(func, arch, trace=built.trace).mod
    assert "prefetch" in again.script()
    assert structural_equal(again, schedule(func, arch, config=config).mod)
