"""What an engine tells the database of the models it serves."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from db import DatabaseUnavailable, open_store
from db.store._sql import SqlStore
from db.views.serving import refreshes, served_kernels
from runtime import Engine, Model
from runtime.telling import Telling
from scheduler.campaigns import add_model
from tuner.arch import host_arch


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/log.db"
    open_store(url).close()
    return url


def test_lookups_calls_and_refreshes_are_told(url: str, small_dlrm: Path) -> None:
    with open_store(url) as store:
        version = add_model(store, small_dlrm, name="ads", buckets=(8,))
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(8,))
        engine.tell()
        inputs = model.random_inputs(8)
        for _ in range(5):
            model(*inputs)
        model.refresh(small_dlrm)
        kernels = sum(k.calls for k in model.report().buckets[0].kernels)
    with open_store(url, read_only=True) as store:
        assert isinstance(store, SqlStore)
        (served,) = store.database.read(lambda c: served_kernels(c, version.id))
        told = store.database.read(lambda c: refreshes(c, [version.id]))[version.id]
    assert (served.arch, served.bucket, served.processes) == (host_arch().name, 8, 1)
    assert served.calls == 5
    assert served.kinds == {"record": 0, "compatible": 0, "neighbour": 0, "default": kernels}
    assert (told.processes, told.refreshes) == (1, 1)
    assert told.refreshed_at is not None


def test_graphs_that_nobody_added_are_not_told(url: str, small_dlrm: Path) -> None:
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(8,))
        engine.tell()
        assert model.digest
    with open_store(url, read_only=True) as store:
        assert store.stats().rows["servings"] == 0


class Away:
    """A database that does not answer."""

    def ask(self, question: object) -> None:
        raise DatabaseUnavailable("no route to host")


def test_a_database_that_is_away_is_logged_once(
    served: Model, caplog: pytest.LogCaptureFixture
) -> None:
    telling = Telling(Away(), host_arch())  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, logger="runtime.telling"):
        telling.tell([served])
        telling.tell([served])
    assert len([r for r in caplog.records if "no route to host" in r.message]) == 1
