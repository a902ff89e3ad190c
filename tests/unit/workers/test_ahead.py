"""Builds run ahead elsewhere; a slot that waits builds too, and never while it measures."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import cast

import pytest

from db import CpuArch, Task
from db.testing.builders import ARCH, workload
from tuner.measure import Builder, BuildResult
from tuner.strategy import Candidate
from tuner.testing import FakeBuilder, FakeMeasurer, SyntheticLatencies
from workers.ahead import HELP_AFTER_S, Ahead, Planned
from workers.pool import BuilderPool
from workers.task import TaskState
from workers.tools import Tools


class Gate(Builder):
    """Builds when it is let, and says who has built what."""

    def __init__(self, name: str, at_once: int = 1, *, is_open: bool = True) -> None:
        self.name, self.at_once = name, at_once
        self.open = threading.Event()
        self.begun = threading.Semaphore(0)
        if is_open:
            self.open.set()

    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        self.begun.release()
        assert self.open.wait(240)
        return BuildResult(f"{self.name} {config}", None, 0.0)


class State:
    """As much of a `TaskState` as builds need."""

    task = Task(workload(), 1)


def planned(number: int) -> Planned:
    candidate = Candidate(str(number), {"n": number}, None, "autotvm")
    return Planned(cast(TaskState, State()), candidate)


def measurer() -> FakeMeasurer:
    return FakeMeasurer(SyntheticLatencies(0))


def taken(ahead: Ahead) -> str:
    found, built = ahead.take()
    assert built.code is not None
    assert str(found.candidate.config) in built.code
    return built.code.split()[0]


def test_where_every_core_measures_builds_are_made_when_they_are_needed() -> None:
    here = FakeBuilder()
    with Ahead(ARCH, Tools(here, measurer(), here)) as ahead:
        assert ahead.beside == 0
        for number in range(3):
            ahead.add(planned(number))
        assert here.builds == 0, "a build beside a measurement on the same core"
        ahead.take()
        assert (here.builds, len(ahead)) == (1, 2)


def test_builds_run_beside_the_measurements_as_many_as_there_are_builders() -> None:
    beside = Gate("beside", at_once=3, is_open=False)
    with Ahead(ARCH, Tools(beside, measurer(), Gate("here"))) as ahead:
        for number in range(4):
            ahead.add(planned(number))
        for _ in range(3):
            assert beside.begun.acquire(timeout=240)
        beside.open.set()
        assert [taken(ahead) for _ in range(4)] == ["beside"] * 4
        assert len(ahead) == 0


def test_a_slot_that_waited_long_builds_what_nobody_has_begun() -> None:
    beside, here = Gate("beside", is_open=False), Gate("here")
    tools = Tools(beside, measurer(), here, starved_s=2 * HELP_AFTER_S)
    with Ahead(ARCH, tools) as ahead:
        for number in range(3):
            ahead.add(planned(number))
        assert beside.begun.acquire(timeout=240)
        assert [taken(ahead), taken(ahead)] == ["here", "here"]
        beside.open.set()
        # The one that was begun elsewhere is left to whoever began it.
        assert taken(ahead) == "beside"
    assert tools.starved_s > 2 * HELP_AFTER_S


def test_a_slot_that_hardly_waited_starts_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine, too, a tenth of a second is hardly.
    monkeypatch.setattr("workers.ahead.HELP_AFTER_S", 3600.0)
    beside, here = Gate("beside", is_open=False), Gate("here")
    with Ahead(ARCH, Tools(beside, measurer(), here)) as ahead:
        for number in range(2):
            ahead.add(planned(number))
        threading.Timer(0.1, beside.open.set).start()
        assert [taken(ahead), taken(ahead)] == ["beside", "beside"]


@pytest.mark.parametrize("builders", [1, 3])
def test_a_pool_builds_as_many_at_once_as_it_has_builders(builders: int) -> None:
    made = [Gate(str(at), is_open=False) for at in range(builders)]
    pool = BuilderPool(made)
    assert pool.at_once == builders
    with Ahead(ARCH, Tools(pool, measurer())) as ahead:
        for number in range(builders + 1):
            ahead.add(planned(number))
        for gate in made:
            assert gate.begun.acquire(timeout=240)
        assert not any(gate.begun.acquire(blocking=False) for gate in made)
        for gate in made:
            gate.open.set()
        assert {taken(ahead) for _ in range(builders + 1)} == {str(at) for at in range(builders)}
