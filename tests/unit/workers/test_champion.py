"""A best record is replaced only by a candidate that beats it in turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from db import CpuArch, Measurement, Store, Toolchain, Workload, measurement_uid, open_store
from tuner.measure import Builder, BuildResult, Measurer, RunResult
from workers.champion import Champion, Ring

ARCH = CpuArch("haswell", "x86-64-v3", ("avx2", "fma"))
TOOLS = Toolchain("0", "0", "0")
WORKLOAD = Workload("a" * 64, "dense", "dense", [], "float32", 1.0, 1.0, "{}")


class Compiler(Builder):
    """The code of a trace is the trace."""

    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        return BuildResult(trace, trace, 0.0)


class Clock(Measurer):
    """Code takes as long as the test says."""

    def __init__(self, **secs: float) -> None:
        self.secs = secs
        self.compared: list[list[str]] = []

    def run(self, workload: str, tir: str, code: str, *, best: float | None) -> RunResult:
        return RunResult((self.secs[code],) * 3, 0.0)

    def compare(self, workload: str, tir: str, codes: Sequence[str]) -> list[RunResult]:
        self.compared.append(list(codes))
        return [self.run(workload, tir, code, best=None) for code in codes]

    def calibrate(self) -> dict[str, float]:
        return {}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(f"sqlite:///{tmp_path}/log.db")
    opened.add_arch(ARCH)
    opened.add_toolchain(TOOLS)
    opened.add_workloads([WORKLOAD])
    return opened


def _offer(store: Store, ring: Ring, name: str, secs: float) -> bool:
    measured = Measurement(
        measurement_uid(0, 0, name), None, 0, WORKLOAD.digest, ARCH.name, TOOLS.key,
        f"{name:0>64}", "autotvm", trace=name, run_secs=(secs,) * 3,
    )  # fmt: skip
    store.add_measurements([measured])
    return ring.challenge(measured, name, RunResult((secs,) * 3, 0.0))


def _ring(store: Store, clock: Clock, champion: Champion | None = None) -> Ring:
    return Ring(
        store, Compiler(), clock, ARCH, workload=WORKLOAD.digest, tir="{}", champion=champion
    )


def _best(store: Store) -> tuple[str | None, float, float | None]:
    (record,) = store.best_records([WORKLOAD.digest], ARCH.name, TOOLS.key).values()
    return record.trace, record.run_secs, record.default_secs


def test_the_first_one_is_crowned_without_a_fight(store: Store) -> None:
    clock = Clock(a=10.0)
    assert _offer(store, _ring(store, clock), "a", 10.0)
    assert _best(store) == ("a", 10.0, 10.0)
    assert not clock.compared


def test_slower_ones_do_not_get_to_fight(store: Store) -> None:
    clock = Clock(a=10.0, b=10.05)
    ring = _ring(store, clock)
    _offer(store, ring, "a", 10.0)
    assert not _offer(store, ring, "b", 10.05)
    assert not clock.compared


def test_a_lucky_measurement_loses_in_turns(store: Store) -> None:
    clock = Clock(a=10.0, b=10.0)
    ring = _ring(store, clock)
    _offer(store, ring, "a", 10.0)
    assert not _offer(store, ring, "b", 5.0)
    assert clock.compared == [["a", "b"]]
    assert _best(store)[0] == "a"


def test_the_winner_is_stored_on_the_scale_of_the_one_before(store: Store) -> None:
    ring = _ring(store, Clock(a=10.0))
    _offer(store, ring, "a", 10.0)
    # The host has become twice as slow meanwhile: 12 now would have been 6 then.
    drifted = Clock(a=20.0, b=12.0)
    ring = _ring(store, drifted, Champion(10.0, "a", 10.0))
    assert _offer(store, ring, "b", 9.0)
    trace, secs, default_secs = _best(store)
    assert (trace, default_secs) == ("b", 10.0)
    assert secs == pytest.approx(6.0)


def test_a_challenger_that_fails_in_turns_is_not_crowned(store: Store) -> None:
    from db import ErrorKind
    from tuner.measure import Failure

    class Trap(Clock):
        def compare(self, workload: str, tir: str, codes: Sequence[str]) -> list[RunResult]:
            lost = RunResult(failure=Failure(ErrorKind.WRONG_RESULT, "no"))
            return [RunResult((10.0,)), lost]

    ring = _ring(store, Trap())
    _offer(store, ring, "a", 10.0)
    assert not _offer(store, ring, "b", 1.0)
    assert _best(store)[0] == "a"


def test_a_record_that_no_longer_builds_gives_way(store: Store) -> None:
    class Refuses(Compiler):
        def build(
            self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
        ) -> BuildResult:
            return BuildResult(None, trace, 0.0)

    ring = _ring(store, Clock(a=10.0))
    _offer(store, ring, "a", 10.0)
    ring = Ring(
        store, Refuses(), Clock(), ARCH, workload=WORKLOAD.digest, tir="{}",
        champion=Champion(10.0, "a", 10.0),
    )  # fmt: skip
    assert _offer(store, ring, "b", 8.0)
    assert _best(store) == ("b", 8.0, 10.0)
