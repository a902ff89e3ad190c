"""Records are used where they belong, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from db import (
    BestRecord,
    CpuArch,
    Measurement,
    Promotion,
    Store,
    measurement_uid,
    open_store,
)
from runtime import Engine
from tests.unit.runtime.conftest import torch_scores
from tuner.arch import host_arch, resolve, simd_of, toolchain
from tuner.errors import TunerError
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import prepare
from tuner.importers import import_model
from tuner.measure.compile import build_kernel
from tuner.templates import template_for
from tuner.workloads import KernelUse, extract_workloads

BATCH = 8


@pytest.fixture(scope="module")
def uses(small_dlrm: Path) -> list[KernelUse]:
    return extract_workloads(bucket_module(prepare(import_model(small_dlrm)), BATCH))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/log.db"


def _promote(store: Store, use: KernelUse, arch: CpuArch, trace: str) -> None:
    key = store.add_toolchain(toolchain())
    store.add_arch(arch)
    store.add_workloads([use.workload])
    uid = measurement_uid(0, 0, use.workload.digest + arch.name)
    measured = Measurement(
        uid,
        None,
        0,
        use.workload.digest,
        arch.name,
        key,
        "0" * 64,
        "autotvm",
        trace=trace,
        run_secs=(1e-6,),
    )
    store.add_measurements([measured])
    assert store.promote(
        Promotion(
            use.workload.digest,
            arch.name,
            key,
            "warm",
            uid,
            trace,
            None,
            "autotvm",
            1e-6,
            2e-6,
            {"passed": True},
        )
    )


def _trace(use: KernelUse) -> str:
    template = template_for(use.facts)
    config = template.space(use.facts, simd_of(host_arch())).configs[-1]
    trace = build_kernel(use.workload.tir, host_arch(), config, None).trace
    assert trace is not None
    return trace


def test_records_of_this_architecture_serve(
    uses: list[KernelUse], url: str, small_dlrm: Path
) -> None:
    with open_store(url) as store:
        for use in uses:
            _promote(store, use, host_arch(), _trace(use))
    with Engine(url) as engine:
        model = engine.load(small_dlrm, buckets=(BATCH,))
    bucket = model.report().buckets[0]
    assert bucket.from_records == len(bucket.kernels) == len(uses)
    assert all(k.expected_secs == 1e-6 for k in bucket.kernels)
    inputs = model.random_inputs(BATCH)
    np.testing.assert_allclose(model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def test_records_of_another_architecture_do_not(
    uses: list[KernelUse], url: str, small_dlrm: Path
) -> None:
    other = resolve("avx2" if host_arch().name != resolve("avx2").name else "avx512")
    with open_store(url) as store:
        for use in uses:
            _promote(store, use, other, _trace(use))
    with Engine(url) as engine:
        report = engine.load(small_dlrm, buckets=(BATCH,)).report()
    assert report.buckets[0].from_records == 0


def test_a_record_that_does_not_apply_is_skipped_and_reported(
    uses: list[KernelUse], url: str, small_dlrm: Path
) -> None:
    dense = [use for use in uses if use.facts.op_kind == "dense"]
    broken = _trace(dense[0]).replace('"dense"', '"nowhere"')
    with open_store(url) as store:
        _promote(store, dense[0], host_arch(), broken)
    with Engine(url) as engine:
        model = engine.load(small_dlrm, buckets=(BATCH,))
    (kernel,) = [k for k in model.report().buckets[0].kernels
                 if k.workload == dense[0].workload.digest]  # fmt: skip
    assert kernel.served_by == "default"
    assert "does not apply" in kernel.reason
    assert np.isfinite(model(*model.random_inputs(3))).all()


def test_a_digest_that_names_another_function_is_not_trusted(
    uses: list[KernelUse], small_dlrm: Path
) -> None:
    from runtime.lookup import StoreLookup

    mine, other = uses[0], uses[1]

    class Liar:
        def best_records(self, *_: object) -> dict[str, BestRecord]:
            record = BestRecord(
                mine.workload.digest,
                host_arch().name,
                "k",
                "warm",
                "[]",
                None,
                "autotvm",
                1e-6,
                None,
                "u",
                datetime.now(UTC),
            )
            return {mine.workload.digest: record}

        def workloads(self, *_: object) -> dict[str, object]:
            return {mine.workload.digest: other.workload}

    assert StoreLookup(Liar())([mine], host_arch()) == {}  # type: ignore[arg-type]


def test_an_absent_database_is_an_error_not_a_fallback(tmp_path: Path) -> None:
    from db import DbError

    with pytest.raises(DbError, match=r"absent\.db"):
        Engine(f"sqlite:///{tmp_path}/absent.db")


def test_an_architecture_this_host_cannot_run_is_refused() -> None:
    with pytest.raises(TunerError, match="do not run on this host"):
        Engine(arch="sapphirerapids", use_records=False)
