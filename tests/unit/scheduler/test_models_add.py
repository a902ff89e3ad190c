"""`tunefleet models add`: what is handed to the import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from db import Store, StoredModelVersion
from db.testing.builders import World
from tests.unit.scheduler.conftest import Invoke


@pytest.fixture
def added(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Path, dict[str, Any]]]:
    """Calls of `add_model`; a file `m.pt2` is there to be added."""
    calls: list[tuple[Path, dict[str, Any]]] = []

    def add_model(store: Store, path: Path, **options: Any) -> StoredModelVersion:
        calls.append((path, options))
        return store.model_version("dlrm")

    monkeypatch.setattr("scheduler.campaigns.add_model", add_model)
    (tmp_path / "m.pt2").touch()
    return calls


def test_defaults(invoke: Invoke, added: list[tuple[Path, dict[str, Any]]], tmp_path: Path) -> None:
    result = invoke("models", "add", "m.pt2")
    assert result.exit_code == 0, result.stderr
    assert added == [
        (tmp_path / "m.pt2", {"name": None, "buckets": (1, 16, 64, 256), "traffic": None})
    ]
    assert result.stdout.endswith("tune it with: tunefleet tune dlrm\n")


def test_name_and_buckets(invoke: Invoke, added: list[tuple[Path, dict[str, Any]]]) -> None:
    assert invoke("models", "add", "m.pt2", "--name", "n", "--buckets", "64,1,1").exit_code == 0
    assert added[0][1] == {"name": "n", "buckets": (1, 64), "traffic": None}


def test_traffic_names_the_buckets_and_adds_up_to_one(
    invoke: Invoke, added: list[tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "traffic.json").write_text(json.dumps({"64": 30, "1": 10}))
    assert invoke("models", "add", "m.pt2", "--traffic", "traffic.json").exit_code == 0
    assert added[0][1]["buckets"] == (1, 64)
    assert added[0][1]["traffic"] == {1: 0.25, 64: 0.75}


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1}', '{"1": -1, "2": 3}', '{"0": 1}', "{}"])
def test_traffic_that_is_none(
    invoke: Invoke, added: list[tuple[Path, dict[str, Any]]], tmp_path: Path, text: str
) -> None:
    (tmp_path / "traffic.json").write_text(text)
    result = invoke("models", "add", "m.pt2", "--traffic", "traffic.json")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: traffic.json: ")
    assert not added


def test_traffic_and_buckets_that_disagree(
    invoke: Invoke, added: list[tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "traffic.json").write_text('{"1": 1, "8": 1}')
    result = invoke("models", "add", "m.pt2", "--traffic", "traffic.json", "--buckets", "1,16")
    assert result.exit_code == 2
    assert "--traffic names the batch sizes 1,8, --buckets others" in result.stderr


def test_a_file_that_is_no_model(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "m.pt2").write_text("no")
    result = invoke("models", "add", "m.pt2")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "m.pt2 is no .pt2 archive" in result.stderr
    assert result.stderr.count("\n") == 1
