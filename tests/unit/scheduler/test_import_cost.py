"""Help and completion are quick: nothing heavy is imported for them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"tvm", "ray", "torch", "alembic", "sqlalchemy", "numpy", "rich", "tuner.arch"}

PROGRAM = """
import json, sys
sys.argv = ["tunefleet", *sys.argv[1:]]
from scheduler.cli import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def modules_after(*args: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *args], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "args",
    [["--help"], ["tune", "--help"], ["demo", "-h"], ["models", "add", "--help"], ["db", "--help"]],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    assert not modules_after(*args) & HEAVY


def test_reading_campaigns_needs_no_compiler(tmp_path_factory: pytest.TempPathFactory) -> None:
    from db import open_store

    url = f"sqlite:///{tmp_path_factory.mktemp('empty') / 'tunefleet.db'}"
    open_store(url).close()
    for command in (["status"], ["models", "list"]):
        assert not modules_after("--db", url, *command) & {"tvm", "ray", "torch", "tuner.arch"}
