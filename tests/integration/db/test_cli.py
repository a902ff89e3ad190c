"""The commands ``tunefleet db ...``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from db import Store, open_store
from db.cli import db_group
from db.testing.builders import ARCH, World, measurement, promotion


def _run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(db_group, list(arguments), obj={"db": url})


def _json(url: str, *arguments: str) -> Any:
    result = _run(url, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def filled(world: World, url: str) -> str:
    batch = [measurement(n, secs=(n + 1) * 1e-5) for n in range(30)]
    world.store.promote(promotion(batch[0]), measurements=batch)
    return url


def test_upgrade_creates(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    created = _run(url, "upgrade")
    assert "upgraded from nothing" in created.output
    assert "already at revision" in _run(url, "upgrade").output
    with open_store(url, create=False) as store:
        assert store.campaigns() == []


def test_stats(filled: str) -> None:
    found = _json(filled, "stats")
    assert found["rows"]["measurements"] == 30
    assert found["best_records"] == {ARCH.name: 1}
    assert "measurements" in _run(filled, "stats").output


def test_check(filled: str) -> None:
    assert _json(filled, "check")["findings"] == []
    assert _run(filled, "check").output == "all is well\n"


def test_check_fails_on_findings(filled: str, world: World) -> None:
    world.campaign()
    world.lease(lease_s=-7200.0)
    result = _run(filled, "check")
    assert result.exit_code == 1
    assert "1 jobs whose lease ran out" in result.output


def test_prune(filled: str, store: Store) -> None:
    flags = ("--keep-days", "0", "--runners-up", "5", "--keep-one-in", "100")
    dry = _json(filled, "prune", *flags, "--dry-run")
    assert dry["removed"] == 25
    assert store.stats().rows["measurements"] == 30
    assert _json(filled, "prune", *flags, "--compact") == dry
    assert store.stats().rows["measurements"] == 5


def test_prune_refuses_nonsense(filled: str) -> None:
    assert _run(filled, "prune", "--runners-up", "0").exit_code == 2


def test_export_and_import(filled: str, tmp_path: Path) -> None:
    exported = _json(
        filled, "export", str(tmp_path / "ms"), "--format", "metaschedule", "--arch", ARCH.name
    )
    assert exported["records"] == 1
    other = f"sqlite:///{tmp_path}/other.db"
    imported = _json(other, "import", str(tmp_path / "ms"), "--arch", ARCH.name, "--tvm", "0.27")
    assert (imported["records"], imported["inserted"]) == (1, 1)


def test_export_of_a_snapshot(filled: str, tmp_path: Path) -> None:
    assert _json(filled, "export", str(tmp_path / "snapshot.db"))["best_records"] == 1
    assert _json(f"{tmp_path}/snapshot.db", "stats")["rows"]["best_records"] == 1


def test_export_for_tvm_wants_one_architecture(filled: str, tmp_path: Path) -> None:
    result = _run(filled, "export", str(tmp_path / "ms"), "--format", "metaschedule")
    assert result.exit_code == 2


def test_torn_lines_are_told(tmp_path: Path) -> None:
    (tmp_path / "database_workload.json").write_text("[1\n")
    (tmp_path / "database_tuning_record.json").write_text("")
    result = _run(f"{tmp_path}/new.db", "import", str(tmp_path), "--arch", ARCH.name)
    assert result.exit_code == 0
    assert f"torn: {tmp_path}/database_workload.json:1:" in result.output


@pytest.mark.parametrize("command", ["check", "stats", "prune --dry-run", "export snapshot.db"])
def test_reading_commands_create_nothing(tmp_path: Path, command: str) -> None:
    result = _run(f"{tmp_path}/missing.db", *command.split())
    assert result.exit_code == 1
    assert result.output.startswith("Error: sqlite:///")
    assert "no such database" in result.output
    assert not (tmp_path / "missing.db").exists()


def test_errors_are_one_line(tmp_path: Path) -> None:
    result = _run("mysql://user:hunter2@host/name", "stats")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "hunter2" not in result.output
