"""The layers of docs/development.md hold, and the contracts that say so catch a breach."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("db", "tuner", "workers", "scheduler", "runtime", "dashboards", "examples")

ALLOWED = {
    "db": {"sqlalchemy"},
    "tuner": {"db", "tvm", "torch"},
    "workers": {"db", "tuner", "tvm", "ray"},
    "scheduler": {"db", "tuner", "workers", "runtime", "dashboards", "examples", "tvm", "ray"},
    "runtime": {"db", "tuner", "tvm"},
    "dashboards": {"db"},
    "examples": {"torch"},
}
FORBIDDEN = {
    "db": {"tuner", "workers", "scheduler", "runtime", "dashboards", "examples", "tvm", "ray"},
    "tuner": {"workers", "scheduler", "runtime", "dashboards", "examples", "ray"},
    "workers": {"scheduler", "runtime", "dashboards", "examples"},
    "scheduler": set[str](),
    "runtime": {"workers", "scheduler", "dashboards", "examples", "ray"},
    "dashboards": {"tuner", "workers", "scheduler", "runtime", "examples", "tvm", "ray"},
    "examples": {"db", "tuner", "workers", "scheduler", "runtime", "dashboards"},
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the packages in `folder` against the contracts of the pyproject.toml beside them."""
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )


def write_packages(folder: Path, imports: dict[str, set[str]]) -> None:
    """Write the seven packages to `folder`, each importing what `imports` says."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        (folder / package).mkdir()
        lines = [f"import {name}\n" for name in sorted(imports.get(package, set()))]
        (folder / package / "__init__.py").write_text("".join(lines))


def test_packages_keep_their_layers() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_contracts_let_every_allowed_import_pass(tmp_path: Path) -> None:
    write_packages(tmp_path, ALLOWED)
    result = lint_imports(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("importer", "imported"),
    [(importer, name) for importer, names in FORBIDDEN.items() for name in sorted(names)],
)
def test_contracts_catch_a_forbidden_import(tmp_path: Path, importer: str, imported: str) -> None:
    write_packages(tmp_path, {importer: {imported}})
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout
