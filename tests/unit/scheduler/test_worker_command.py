"""`tunefleet worker`: what joins a cluster, and under which labels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.scheduler.conftest import Invoke
from tuner.arch import host_arch
from tuner.errors import TunerError
from workers.cores import physical_cores
from workers.probe import Probe, probe


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that this process would have become."""
    found: list[list[str]] = []

    def execve(_path: str, command: list[str], _env: dict[str, str]) -> None:
        found.append(command)

    monkeypatch.setattr("os.execve", execve)
    return found


def test_a_probe_names_this_host(invoke: Invoke) -> None:
    result = invoke("worker", "--probe", "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["arch"] == host_arch().name
    assert found["cores"] == len(physical_cores())
    assert 1 <= found["slots"] <= found["cores"] <= found["cpus"]
    assert found["labels"]["cpu-arch"] == host_arch().name
    assert found["labels"]["isa-level"] == host_arch().isa_level
    assert host_arch().name in invoke("worker", "--probe").stdout


def test_joining_labels_the_node(invoke: Invoke, started: list[list[str]]) -> None:
    result = invoke("worker", "--address", "head:6379", "--arch", "avx2", "--slots", "1")
    assert "joining head:6379 as x86-64-v3" in result.stderr
    (command,) = started
    assert command[1:4] == ["-m", "ray.scripts.scripts", "start"]
    assert "--address=head:6379" in command
    assert '--resources={"measure_slot": 1}' in command
    (labels,) = [part for part in command if part.startswith("--labels=")]
    assert labels.startswith("--labels=cpu-arch=x86-64-v3,isa-level=x86-64-v3,microarchitecture=")


def test_a_node_may_only_build(invoke: Invoke, started: list[list[str]]) -> None:
    invoke("worker", "--address", "head:6379", "--slots", "0", "--build-slots", "8")
    (command,) = started
    assert '--resources={"build_slot": 8}' in command


def test_an_address_is_needed(
    invoke: Invoke, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    result = invoke("worker")
    assert result.exit_code == 2
    assert "--address" in result.stderr
    assert not started


def test_what_this_host_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TunerError, match="cores to measure on, not 10000"):
        probe(slots=10_000)
    monkeypatch.setattr("workers.probe.runs_on", lambda arch, host: False)
    with pytest.raises(TunerError, match="do not run on this CPU"):
        probe("znver5")


def test_labels_have_the_syntax_of_kubernetes() -> None:
    found = Probe("h", "c", "sky lake", "skylake", "x86-64-v3", 2, 4, 1, 1)
    with pytest.raises(TunerError, match="sky lake"):
        _ = found.labels
