"""The fakes tell what was recorded, or an invented landscape, the same every time."""

from __future__ import annotations

from pathlib import Path

from db import ErrorKind, Measured, open_store
from db.testing.builders import ARCH, TOOLCHAIN, measurement, populate, workload
from tuner.measure import Failure
from tuner.testing import FakeBuilder, FakeMeasurer, RecordedLatencies, SyntheticLatencies
from tuner.testing.latencies import config_of, fake_trace

W = "a" * 64


def _run(measurer: FakeMeasurer, config: dict[str, int]) -> float | ErrorKind:
    built = FakeBuilder().build("", ARCH, config=config, trace=None)
    assert built.code is not None
    ran = measurer.run(W, "", built.code, best=None)
    return ran.failure.kind if ran.failure else ran.median


def test_recorded_latencies_are_told_again() -> None:
    measurer = FakeMeasurer(
        RecordedLatencies(
            {
                W: [
                    Measured("1", 2e-6, None, {"a": 1, "b": 2}, "[[1],[]]"),
                    Measured("2", None, "run_crash", {"a": 2, "b": 2}, None),
                ]
            }
        )
    )
    assert _run(measurer, {"b": 2, "a": 1}) == 2e-6
    assert _run(measurer, {"a": 2, "b": 2}) is ErrorKind.RUN_CRASH
    assert _run(measurer, {"a": 3, "b": 2}) is ErrorKind.RUN_ERROR
    # The record that reigns is built by its trace.
    built = FakeBuilder().build("", ARCH, config=None, trace="[[1],[]]")
    assert built.code is not None
    (ran,) = measurer.compare(W, "", [built.code])
    assert ran.median == 2e-6


def test_a_database_is_a_recording(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/log.db") as store:
        populate(store)
        store.add_measurements([measurement(n, secs=(n + 1) * 1e-6) for n in range(3)])
        recorded = RecordedLatencies.of_store(store, ARCH.name, TOOLCHAIN.key)
    expected = measurement(2, secs=3e-6).median
    assert recorded.secs(workload().digest, fake_trace({"tile": 2})) == expected
    assert isinstance(recorded.secs(W, fake_trace({"tile": 2})), Failure)


def test_an_invented_landscape_is_reproducible() -> None:
    configs = [{"rows": r, "panels": p} for r in (1, 2, 4, 8) for p in (1, 2, 4)]
    first, again, other = (
        [_run(FakeMeasurer(SyntheticLatencies(seed)), c) for c in configs] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert len(set(first)) == len(configs)


def test_an_invented_landscape_fails_as_often_as_asked() -> None:
    told = [SyntheticLatencies(failing=0.25).secs(W, fake_trace({"rows": n})) for n in range(400)]
    failed = sum(isinstance(t, Failure) for t in told)
    assert 60 < failed < 140


def test_fake_traces_name_their_configuration() -> None:
    assert config_of(fake_trace({"b": 2, "a": 1})) == {"a": 1, "b": 2}
    assert config_of("[[],[]]") is None
    assert config_of("no trace") is None


def test_what_was_run_is_counted() -> None:
    builder, measurer = FakeBuilder(), FakeMeasurer(SyntheticLatencies())
    built = builder.build("", ARCH, config={"a": 1}, trace=None)
    assert built.code is not None
    for _ in range(2):
        measurer.run(W, "", built.code, best=None)
    assert (builder.builds, measurer.runs[W, built.code]) == (1, 2)
    assert measurer.calibrate()["fma_gflops"] > 0
