"""Records are used where they belong, and nowhere else."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from db import (
    BestRecord,
    CpuArch,
    DatabaseUnavailable,
    Measurement,
    Promotion,
    Store,
    measurement_uid,
    open_store,
)
from runtime import Engine
from runtime.lookup import Choice, FallbackLookup, Reach, RememberedChoices, StoreLookup
from tests.unit.runtime.conftest import torch_scores
from tuner.arch import host_arch, resolve, simd_of, toolchain
from tuner.errors import TunerError
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import prepare
from tuner.importers import import_model
from tuner.measure.compile import build_kernel
from tuner.strategy.base import config_digest
from tuner.templates import template_for
from tuner.workloads import KernelUse, extract_workloads

BATCH = 8


@pytest.fixture(scope="module")
def uses(small_dlrm: Path) -> list[KernelUse]:
    return extract_workloads(bucket_module(prepare(import_model(small_dlrm)), BATCH))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/log.db"


def _promote(store: Store, use: KernelUse, arch: CpuArch, trace: str, secs: float = 1e-6) -> None:
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
        hashlib.sha256(trace.encode()).hexdigest(),
        "autotvm",
        trace=trace,
        run_secs=(secs,),
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
            secs,
            2e-6,
            {"passed": True},
        )
    )


def _measure(
    store: Store, use: KernelUse, arch: CpuArch, config: dict[str, int], secs: float
) -> None:
    key = store.add_toolchain(toolchain())
    store.add_arch(arch)
    store.add_workloads([use.workload])
    candidate = config_digest(use.workload.digest, "dense", config)
    uid = measurement_uid(0, 0, f"{candidate}{secs}")
    measured = Measurement(
        uid, None, 0, use.workload.digest, arch.name, key, candidate, "autotvm", config=config,
        run_secs=(secs,),
    )  # fmt: skip
    store.add_measurements([measured])


def _trace(use: KernelUse, arch: CpuArch | None = None) -> str:
    arch = arch or host_arch()
    template = template_for(use.facts)
    config = template.space(use.facts, simd_of(arch)).configs[-1]
    trace = build_kernel(use.workload.tir, arch, config, None).trace
    assert trace is not None
    return trace


def test_records_of_this_architecture_serve(
    uses: list[KernelUse], url: str, small_dlrm: Path
) -> None:
    with open_store(url) as store:
        for use in uses:
            _promote(store, use, host_arch(), _trace(use))
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(BATCH,))
    bucket = model.report().buckets[0]
    assert bucket.from_records == len(bucket.kernels) == len(uses)
    assert all(k.expected_secs == 1e-6 for k in bucket.kernels)
    inputs = model.random_inputs(BATCH)
    np.testing.assert_allclose(model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def test_records_of_instructions_that_this_host_has_stand_in(
    uses: list[KernelUse], url: str, small_dlrm: Path
) -> None:
    """Of two the faster one, and the exact one before both."""
    level, other, exact = map(resolve, ("avx2", "broadwell", "haswell"))
    with open_store(url) as store:
        for use in uses:
            _promote(store, use, level, _trace(use, level), secs=3e-6)
        _promote(store, uses[0], other, _trace(uses[0], other), secs=2e-6)
        _promote(store, uses[1], exact, _trace(uses[1], exact), secs=9e-6)
    # Every host has avx2.
    with Engine(url, arch=exact.name, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(BATCH,))
    kernels = {k.workload: k for k in model.report().buckets[0].kernels}
    assert model.report().buckets[0].served_by == {"compatible": len(uses) - 1, "record": 1}
    assert kernels[uses[0].workload.digest].arch == other.name
    assert kernels[uses[1].workload.digest].arch == exact.name
    assert kernels[uses[2].workload.digest].arch == level.name
    inputs = model.random_inputs(BATCH)
    np.testing.assert_allclose(model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def test_an_update_adopts_what_the_night_has_found(
    uses: list[KernelUse], url: str, small_dlrm: Path
) -> None:
    with open_store(url) as store, Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(BATCH,))
        assert model.report().buckets[0].from_records == 0
        for use in uses:
            _promote(store, use, host_arch(), _trace(use))
        inputs = model.random_inputs(BATCH)
        before = model(*inputs)
        model.update()
        assert model.report().buckets[0].from_records == len(uses)
        np.testing.assert_allclose(model(*inputs), before, atol=1e-6, rtol=0)


def test_records_of_instructions_that_this_host_lacks_never_serve(
    uses: list[KernelUse], url: str, small_dlrm: Path
) -> None:
    with open_store(url) as store:
        for use in uses:
            _promote(store, use, resolve("sapphirerapids"), _trace(use))
    with Engine(url, arch="avx2", patience_s=60.0) as engine:
        report = engine.load(small_dlrm, buckets=(BATCH,)).report()
    assert report.buckets[0].served_by == {"default": len(uses)}


def test_the_nearest_tuned_batch_of_the_same_operator_lends_its_configuration(
    uses: list[KernelUse], url: str, small_dlrm: Path
) -> None:
    prepared = prepare(import_model(small_dlrm))
    with open_store(url) as store:
        for batch, secs in ((2, 5e-6), (16, 1e-6), (16, 4e-6)):
            for use in extract_workloads(bucket_module(prepared, batch)):
                if use.facts.op_kind == "dense":
                    configs = template_for(use.facts).space(use.facts, simd_of(host_arch())).configs
                    config = configs[0 if secs == 1e-6 else -1]
                    _measure(store, use, host_arch(), config, secs)
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(BATCH,))
    served = model.report().buckets[0].served_by
    dense = sum(use.facts.op_kind == "dense" for use in uses)
    assert served == {"neighbour": dense, "default": len(uses) - dense}
    inputs = model.random_inputs(BATCH)
    np.testing.assert_allclose(model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def test_a_record_that_does_not_apply_is_skipped_and_reported(
    uses: list[KernelUse], url: str, small_dlrm: Path
) -> None:
    dense = [use for use in uses if use.facts.op_kind == "dense"]
    broken = _trace(dense[0]).replace('"dense"', '"nowhere"')
    with open_store(url) as store:
        _promote(store, dense[0], host_arch(), broken)
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(BATCH,))
    (kernel,) = [k for k in model.report().buckets[0].kernels
                 if k.workload == dense[0].workload.digest]  # fmt: skip
    assert kernel.served_by == "default"
    assert "does not apply" in kernel.reason
    assert np.isfinite(model(*model.random_inputs(3))).all()
    with open_store(url) as store:
        digest, key = dense[0].workload.digest, toolchain().key
        assert store.best_records([digest], host_arch().name, key) == {}
        (revoked,) = store.history(digest, host_arch().name, key)
        assert "does not apply" in revoked.revoked_reason


def test_a_digest_that_names_another_function_is_not_trusted(
    uses: list[KernelUse], small_dlrm: Path
) -> None:
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

        def lessons(self, *_: object, **__: object) -> list[object]:
            return []

    assert StoreLookup(Liar())([mine], host_arch()) == {}  # type: ignore[arg-type]


class _Silent:
    """A store that does not answer."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    def best_records(self, *_: object) -> dict[str, BestRecord]:
        self.gone.wait()
        raise DatabaseUnavailable("gone")

    def close(self) -> None:
        self.gone.set()


def test_out_of_reach_the_snapshot_serves_then_earlier_lookups_then_defaults(
    uses: list[KernelUse], url: str, tmp_path: Path
) -> None:
    with open_store(url) as store:
        for use in uses:
            _promote(store, use, host_arch(), "[]")
    remembered = RememberedChoices(tmp_path / "cache")
    there = Reach(lambda: open_store(url, read_only=True), timeout_s=60.0)
    silent = _Silent()
    gone = Reach(lambda: silent, timeout_s=0.1, retry_s=3600.0)  # type: ignore[arg-type, return-value]
    expected = FallbackLookup(there, None, remembered)(uses, host_arch())
    assert len(expected) == len(uses)

    for snapshot, kept, source in (
        (there, None, "snapshot"), (None, remembered, "disk"), (gone, remembered, "disk"),
        (None, None, "nothing"),
    ):  # fmt: skip
        lookup = FallbackLookup(gone, snapshot, kept)
        found = lookup(uses, host_arch())
        assert lookup.answered == {source: 1}
        assert found == ({} if source == "nothing" else expected)
    with pytest.raises(DatabaseUnavailable, match="lately"):
        gone.ask(lambda store: store.archs())
    gone.close()
    there.close()


def test_memory_on_disk_that_is_damaged_is_no_memory(uses: list[KernelUse], tmp_path: Path) -> None:
    remembered = RememberedChoices(tmp_path)
    choice = Choice("record", host_arch().name, 1e-6, trace="[]")
    remembered.remember({uses[0].workload.digest: choice}, host_arch())
    assert remembered(uses, host_arch()) == {uses[0].workload.digest: choice}
    (file,) = (tmp_path / "choices").iterdir()
    for text in ("", "{", "[1]", '{"a": {"b": 1}}'):
        file.write_text(text)
        assert remembered(uses, host_arch()) == {}
    remembered.remember({uses[0].workload.digest: choice}, host_arch())
    assert len(remembered(uses, host_arch())) == 1


def test_an_absent_database_is_an_error_not_a_fallback(tmp_path: Path) -> None:
    from db import DbError

    with pytest.raises(DbError, match=r"absent\.db"):
        Engine(f"sqlite:///{tmp_path}/absent.db")


def test_an_architecture_this_host_cannot_run_is_refused() -> None:
    # The last one with fma4: whatever came after it lacks that.
    with pytest.raises(TunerError, match="do not run on this host"):
        Engine(arch="bdver4", use_records=False)
