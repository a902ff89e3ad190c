"""What every test shares: a quiet, offline, repeatable process, and small models."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Read by libraries when they are imported or first used, so set before any test module is.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Ray kills workers where memory runs short, whoever takes it: here, other tests.
os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")

if "PYTEST_XDIST_WORKER" in os.environ:
    # What one host has once, such as the locks on its cores, each process has for itself. The name
    # is short: that of a socket in it must be.
    os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="tf-")
    Path(tempfile.tempdir).chmod(0o755)
    atexit.register(shutil.rmtree, tempfile.tempdir, ignore_errors=True)

#: Folders whose tests share something that is slow to start, in the order in which they begin:
#: what takes longest comes first.
_TOGETHER = ("cluster", "integration/serving", "integration/dashboards", "browser")

# Compilers and shared machines make single examples slow now and then; that is no failure. A change
# fails or passes the same way however often it is tried: what is drawn anew each time, by
# `--hypothesis-profile explore`, finds more, and may stop somebody else's work.
_SLOW = [HealthCheck.too_slow]
settings.register_profile("default", deadline=None, suppress_health_check=_SLOW, derandomize=True)
settings.register_profile("explore", deadline=None, suppress_health_check=_SLOW, max_examples=1000)
settings.load_profile("default")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Whatever is random begins anew, so that no test depends on those that ran before it."""
    random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: _place(_folder(item.nodeid)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep together, in one process, what shares a server, and the tests of a file."""
    from xdist.scheduler import LoadScopeScheduling

    def group(nodeid: str) -> str:
        folder = _folder(nodeid)
        return folder if folder in _TOGETHER else nodeid.partition("::")[0]

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = group
    return scheduler


def _folder(nodeid: str) -> str:
    """Of a test, below `tests`."""
    return Path(nodeid.partition("::")[0]).parent.relative_to("tests").as_posix()


def _place(folder: str) -> int:
    return _TOGETHER.index(folder) if folder in _TOGETHER else len(_TOGETHER)


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
