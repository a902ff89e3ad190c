"""Code for one batch size serves smaller ones: it computes their rows, and touches no others."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm
from tvm import te, tirx

from runtime import Engine
from runtime.program import Kernel, build_by_rows, build_kernel, by_rows, plan_program
from runtime.program.alike import same_but_batch
from runtime.program.link import link
from tests.helpers import Array
from tuner.arch import host_arch, simd_of, target_of
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import PreparedModel, prepare
from tuner.importers import import_model
from tuner.measure.compile import schedule
from tuner.ops import embedding_bag
from tuner.templates import template_for
from tuner.workloads import KernelUse, extract_workloads
from tuner.workloads.digest import function_text, normalise

#: Rows that the code is compiled for.
BATCH = 16
ROWS = 8


def run(kernel: Kernel, arrays: Sequence[Array], folder: Path, rows: int | None = None) -> None:
    """Call a kernel as the code of a bucket does."""
    # A library's file must not change while it is loaded.
    path = folder / f"{len(list(folder.iterdir()))}.so"
    path.write_bytes(link([kernel.code], b"{}"))
    scratch = [np.zeros(size + 64, np.uint8) for size in kernel.scratch]
    aligned = [s[-s.ctypes.data % 64 :] for s in scratch]
    count = [] if rows is None else [ctypes.c_int64(rows)]
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in arrays]
    more = [ctypes.c_void_p(a.ctypes.data) for a in aligned]
    ctypes.CDLL(str(path))[kernel.symbol](*pointers, *count, *more)


def on_a_line(array: Array) -> Array:
    """A copy that starts on a cache line, as activations and weights do."""
    room = np.zeros(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def inputs(use: KernelUse, seed: int = 0) -> list[Array]:
    """Arguments of a workload, the last of which is its result."""
    rng = np.random.default_rng(seed)
    return [
        on_a_line(rng.integers(0, a.rows, a.shape).astype(a.dtype))
        if a.rows
        else on_a_line(rng.standard_normal(a.shape).astype(a.dtype))
        for a in use.facts.arguments
    ]


@pytest.fixture(scope="module")
def prepared(small_dlrm: Path) -> PreparedModel:
    return prepare(import_model(small_dlrm))


def uses(prepared: PreparedModel, batch: int) -> list[KernelUse]:
    return extract_workloads(bucket_module(prepared, batch), tir=False)


def test_the_first_rows_come_out_and_the_others_are_left_alone(
    prepared: PreparedModel, tmp_path: Path
) -> None:
    """Every kernel of the model, tiled so that it may end after `ROWS`."""
    target = target_of(host_arch())
    mod = bucket_module(prepared, BATCH)
    plan = plan_program(mod, prepared.model, BATCH)
    for use in extract_workloads(mod, tir=False):
        with_rows = plan.with_rows(use.functions[0])
        space = template_for(use.facts).space(use.facts, simd_of(host_arch()))
        config = next((c for c in space.configs if c.get("rows", 4) == 4), None)
        func = schedule(use.func, host_arch(), config=config).mod["main"]
        shorter = by_rows(func, BATCH, with_rows)
        assert shorter is not None, use.workload.name
        assert ROWS % shorter.step == 0
        short = build_by_rows("short", shorter, target)
        assert short is not None
        arrays = inputs(use)
        run(build_kernel("whole", func, target), arrays, tmp_path)
        expected = arrays[-1][:ROWS].copy()
        for i in with_rows:
            # What the other rows of the inputs hold would crash the kernel, or spoil its result.
            junk = np.iinfo(np.int64).max if arrays[i].dtype == np.int64 else np.nan
            arrays[i][ROWS:] = junk
        arrays[-1][...] = 7
        run(short, arrays, tmp_path, ROWS)
        np.testing.assert_array_equal(arrays[-1][:ROWS], expected)
        assert (arrays[-1][ROWS:] == 7).all()


@pytest.mark.parametrize("hots", [1, 4])
def test_prefetches_stay_within_the_rows(hots: int, tmp_path: Path) -> None:
    """Row numbers behind the last row are not even read ahead."""
    table = te.placeholder((50, 16), name="table")
    indices = te.placeholder((BATCH, hots), "int64", name="indices")
    func = te.create_prim_func([table, indices, embedding_bag(table, indices)], "int64")
    config = {"vector": 16, "columns": 0, "unroll": 1, "ahead": 32, "level": 2}
    func = schedule(normalise(func), host_arch(), config=config).mod["main"]
    assert "prefetch" in func.script()
    shorter = by_rows(func, BATCH, {1, 2})
    assert shorter is not None
    for line in shorter.func.script().splitlines():
        assert "prefetch" not in line or "rows" in line
    kernel = build_by_rows("bags", shorter, target_of(host_arch()))
    assert kernel is not None
    rng = np.random.default_rng(0)
    rows = on_a_line(rng.standard_normal((50, 16)).astype(np.float32))
    numbers = on_a_line(rng.integers(0, 50, (BATCH, hots)))
    out = on_a_line(np.zeros((BATCH, 16), np.float32))
    run(kernel, [rows, numbers, out], tmp_path, ROWS)
    expected = rows[numbers].sum(1)
    expected[ROWS:] = 0
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def over_rows(x: te.Tensor) -> te.Tensor:
    """The sum of all rows, in each row."""
    row = te.reduce_axis((0, BATCH), name="row")
    total = te.compute((x.shape[1],), lambda d: te.sum(x[row, d], axis=row), name="total")
    return te.compute(x.shape, lambda b, d: total[d] + x[b, d], name="added")


def reversed_rows(x: te.Tensor) -> te.Tensor:
    return te.compute(x.shape, lambda b, d: x[BATCH - 1 - b, d], name="reversed")


def next_row(x: te.Tensor) -> te.Tensor:
    return te.compute(x.shape, lambda b, d: x[tirx.min(b + 1, BATCH - 1), d], name="next")


def all_pairs(x: te.Tensor) -> te.Tensor:
    """Each row's product with every other row."""
    k = te.reduce_axis((0, x.shape[1]), name="k")
    return te.compute((BATCH, BATCH), lambda b, o: te.sum(x[b, k] * x[o, k], axis=k), name="pairs")


@pytest.mark.parametrize("body", [over_rows, reversed_rows, next_row, all_pairs])
@pytest.mark.parametrize("scheduled", [True, False])
def test_rows_that_need_others_are_found_out(
    body: Callable[[te.Tensor], te.Tensor], scheduled: bool
) -> None:
    x = te.placeholder((BATCH, 32), name="x")
    func = normalise(te.create_prim_func([x, body(x)], "int64"))
    if scheduled:
        func = schedule(func, host_arch()).mod["main"]
    assert by_rows(func, BATCH, {0, 1}) is None


def test_what_one_row_leaves_for_the_next_is_found_out() -> None:
    """A temporary without rows that a loop over columns fills again and again."""
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as tir

    def built(*, columns_outside: bool) -> tvm.tirx.PrimFunc:
        with IRBuilder() as builder, tir.prim_func(s_tir=True):
            tir.func_name("main")
            x, out = (tir.arg(n, tir.buffer([BATCH, 4], "float32")) for n in ("x", "out"))
            with tir.sblock("root"):
                sums = tir.sblock_alloc_buffer((1,), "float32")
                first, second = (4, BATCH) if columns_outside else (BATCH, 4)
                with tir.serial(first) as i, tir.serial(second) as j:
                    place = [j, i] if columns_outside else [i, j]
                    tir.buffer_store(sums, sums[0] + x[tuple(place)], [0])
                    tir.buffer_store(out, sums[0], place)
        return builder.get()

    # Row after row, the first ones are the same whether others follow or not.
    assert by_rows(built(columns_outside=False), BATCH, {0, 1}) is not None
    assert by_rows(built(columns_outside=True), BATCH, {0, 1}) is None


def test_only_the_batch_may_differ(prepared: PreparedModel) -> None:
    large, small = uses(prepared, BATCH), uses(prepared, ROWS)
    for use, other in zip(large, small, strict=True):
        assert same_but_batch(other.text, ROWS, use.text, BATCH)
        assert not same_but_batch(other.text, ROWS + 1, use.text, BATCH)
    assert not same_but_batch(large[0].text, BATCH, large[1].text, BATCH)


def test_a_batch_that_is_computed_with_is_no_extent() -> None:
    def mean(batch: int) -> str:
        x = te.placeholder((batch, 4), name="x")
        scaled = te.compute(x.shape, lambda b, d: x[b, d] + tirx.const(batch, "float32"), name="y")
        return function_text(normalise(te.create_prim_func([x, scaled], "int64")))

    def shifted(batch: int) -> str:
        x = te.placeholder((batch, 4), name="x")
        y = te.compute(x.shape, lambda b, d: x[batch - 1 - b, d], name="y")
        return function_text(normalise(te.create_prim_func([x, y], "int64")))

    assert not same_but_batch(mean(8), 8, mean(16), 16)
    assert not same_but_batch(shifted(8), 8, shifted(16), 16)


def test_buckets_share_kernels_and_score_as_if_each_had_its_own(
    small_dlrm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []

    def counted(name: str, build: Callable[..., Any]) -> None:
        def call(*args: Any) -> Any:
            compiled.append(name)
            return build(*args)

        monkeypatch.setattr(f"runtime.making.{name}", call)

    for name, build in (("build_by_rows", build_by_rows), ("build_kernel", build_kernel)):
        counted(name, build)
    # One after the other, the larger one first: on two threads either may be the first to ask.
    monkeypatch.setattr("runtime.threads.CPUS", 1)

    def scores(*buckets: int) -> list[Array]:
        with Engine(use_records=False, cache=tmp_path / str(buckets)) as engine:
            model = engine.load(small_dlrm, buckets=buckets)
            return [model(*model.random_inputs(batch, seed=batch)) for batch in buckets]

    alone = [*scores(8), *scores(16)]
    apart = len(compiled)
    compiled.clear()
    for got, expected in zip(scores(8, 16), alone, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert len(compiled) < apart
