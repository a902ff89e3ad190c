"""Importing the dataclasses brings in no database library."""

from __future__ import annotations

import subprocess
import sys

_HEAVY = ("sqlalchemy", "alembic", "psycopg", "sqlite3", "click", "tvm", "ray")


def test_import_is_light() -> None:
    code = f"import sys, db; print([m for m in {_HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_is_light() -> None:
    code = f"import sys, db.cli; print([m for m in {_HEAVY[:4]} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
