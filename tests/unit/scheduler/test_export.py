"""`tunefleet export` and `tunefleet rollback`: from a file to a bundle and back."""

from __future__ import annotations

import json
from pathlib import Path

from db import Store
from tests.unit.scheduler.conftest import Invoke


def test_a_file_becomes_a_bundle(
    invoke: Invoke, store: Store, small_dlrm: Path, tmp_path: Path
) -> None:
    wanted = ("export", str(small_dlrm), "bundle", "--buckets", "1,8")
    result = invoke(*wanted)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("bundle: version 1\n")
    assert "buckets 1, 8; weights" in result.stdout
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert manifest["model"] == "dlrm"

    renamed = json.loads(invoke(*wanted, "--name", "other", "--json").stdout)
    assert (renamed["version"], renamed["written_bytes"]) == (2, 0)
    assert [b["batch"] for b in renamed["archs"][0]["buckets"]] == [1, 8]

    result = invoke("rollback", "bundle")
    assert (result.exit_code, result.stdout) == (0, "bundle: version 1 is served again\n")
    result = invoke("rollback", "bundle")
    assert result.exit_code == 1
    assert "no version to go back to" in result.stderr


def test_errors_say_what_to_do(invoke: Invoke, store: Store, tmp_path: Path) -> None:
    result = invoke("export", "absent.pt2", "bundle")
    assert result.exit_code == 1
    assert "absent.pt2" in result.stderr
    result = invoke("export", "unknown", "bundle")
    assert result.exit_code == 1
    assert "unknown" in result.stderr
    assert invoke("rollback", str(tmp_path)).exit_code == 1
    assert invoke("export", "m.pt2", "bundle", "--keep", "0").exit_code == 2
