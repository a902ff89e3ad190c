"""What every test shares: a quiet, offline, repeatable process, and small models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Read by libraries when they are imported or first used, so set before any test module is.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

# Compilers and shared machines make single examples slow now and then; that is no failure.
settings.register_profile("default", deadline=None)
# A change fails or passes the same way however often it is tried.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the runtime keeps on disk is kept apart from the user's, and from the last run's."""
    os.environ["TUNEFLEET_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def small_dlrm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small DLRM, exported as the full-sized one is; `SMALL_DLRM` is its size."""
    from examples.dlrm import export_dlrm
    from tests.models import SMALL_DLRM

    path = tmp_path_factory.mktemp("models") / "dlrm.pt2"
    export_dlrm(path, config=SMALL_DLRM)
    return path
