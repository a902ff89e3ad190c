"""A small model whose jobs are run by fakes: campaigns in seconds, without a compiler."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db import Store, open_store
from scheduler.campaigns import add_model, start_campaign


@pytest.fixture(scope="session")
def model_database(small_dlrm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that knows the small model, its workloads and one finished-with campaign."""
    path = tmp_path_factory.mktemp("fleet") / "log.db"
    with open_store(f"sqlite:///{path}") as store:
        version = add_model(store, small_dlrm, buckets=(1, 8))
        campaign, _ = start_campaign(
            store, version, archs=["avx2", "avx512"], buckets=[1, 8], strategy="autotvm",
            trials=1, seconds=None,
        )  # fmt: skip
        store.cancel_campaign(campaign, "only its workloads are wanted")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(autouse=True)
def _any_arch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fakes serve every architecture, whatever this host can run."""
    monkeypatch.setattr(
        "scheduler.executors.inprocess.runnable_archs",
        lambda store: [a.name for a in store.archs()],
    )


@pytest.fixture
def url(model_database: Path, tmp_path: Path) -> str:
    """A copy of it."""
    shutil.copy(model_database, tmp_path / "log.db")
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, create=False) as opened:
        yield opened
