"""Kernels that are kept up with what changes are those that a fresh look finds."""

from __future__ import annotations

import itertools
from contextlib import closing
from dataclasses import astuple
from datetime import timedelta
from pathlib import Path

import pytest

from dashboards.cache import Cache
from dashboards.pages import Context
from dashboards.source import Source
from db import Store, Task, Toolchain, open_store
from db.store._sql import SqlStore
from db.testing.builders import (
    ARCH,
    OTHER_TOOLCHAIN,
    measurement,
    populate,
    promotion,
    workload,
)
from db.views._time import clock
from db.views.kernels import Kernel, Kernels

NEWEST = OTHER_TOOLCHAIN.key


def _promote(store: Store, number: int, secs: float, toolchain: str = NEWEST) -> None:
    made = measurement(number, secs=secs, toolchain=toolchain)
    store.add_measurements([made])
    assert store.promote(promotion(made))


def _secs(*kernels: Kernel) -> list[float]:
    return [k.best_secs or 0.0 for k in kernels]


def _both(store: Store, known: Kernels) -> list[Kernel]:
    """What is known now, having checked it against what is read anew."""
    assert isinstance(store, SqlStore)
    kept = store.database.read(known.latest, repeatable=True)
    anew = store.database.read(Kernels().latest, repeatable=True)
    assert list(map(astuple, kept)) == list(map(astuple, anew))
    return kept


def test_promotions_and_rollbacks(store: Store) -> None:
    populate(store)
    known = Kernels()
    (untuned,) = _both(store, known)
    assert untuned.best_secs is None
    _promote(store, 1, 2e-5)
    (first,) = _both(store, known)
    _promote(store, 2, 1e-5)
    (second,) = _both(store, known)
    assert _secs(first, second) == pytest.approx([2e-5, 1e-5], rel=0.1)
    store.rollback(workload().digest, ARCH.name, NEWEST, "wrong")
    assert list(map(astuple, _both(store, known))) == [astuple(first)]
    store.rollback(workload().digest, ARCH.name, NEWEST, "wrong, too")
    assert list(map(astuple, _both(store, known))) == [astuple(untuned)]


def test_while_nothing_changes_it_is_the_same_list(store: Store) -> None:
    world = populate(store)
    known = Kernels()
    _promote(store, 1, 2e-5)
    kept = _both(store, known)
    # Neither measurements nor campaigns are kernels.
    store.add_measurements([measurement(5)])
    world.campaign(16)
    assert _both(store, known) is kept


def test_a_kernel_of_which_nothing_new_is_known_is_the_same_object(store: Store) -> None:
    world = populate(store)
    known = Kernels()
    store.set_tasks(world.model_version, ARCH.name, 64, [Task(workload(7), calls=2)])
    (before, other) = _both(store, known)
    _promote(store, 1, 2e-5)
    (after, same) = _both(store, known)
    assert (before.tuned, after.tuned) == (False, True)
    assert same is other


def test_tasks_and_toolchains(store: Store) -> None:
    world = populate(store)
    known = Kernels()
    _promote(store, 1, 2e-5)
    assert [k.stale for k in _both(store, known)] == [False]
    other = workload(7)
    store.set_tasks(world.model_version, ARCH.name, 64, [Task(other, calls=2)])
    told = [(k.bucket, k.calls, k.tuned) for k in _both(store, known)]
    assert told == [(16, 3, True), (64, 2, False)]
    store.set_tasks(world.model_version, ARCH.name, 64, [Task(other, calls=3)])
    assert [k.calls for k in _both(store, known)] == [3, 3]
    newer = Toolchain("9.9", "99", "9")
    store.add_toolchain(newer)
    assert [k.stale for k in _both(store, known)] == [True, False]
    # Slower, but of the newest toolchain.
    _promote(store, 2, 3e-5, toolchain=newer.key)
    (tuned, _) = _both(store, known)
    assert not tuned.stale
    assert _secs(tuned) == pytest.approx([3e-5], rel=0.1)


def test_a_record_becomes_stale_by_its_age_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(store)
    known = Kernels()
    _promote(store, 1, 2e-5)
    assert [k.stale for k in _both(store, known)] == [False]
    monkeypatch.setattr("db.views.kernels.clock", lambda c: clock(c) + timedelta(days=31))
    assert [k.stale for k in _both(store, known)] == [True]


def test_another_database_under_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "tunefleet.db"
    for secs in (2e-5, 1e-5):
        with open_store(str(tmp_path / f"{secs}.db")) as store:
            populate(store)
            _promote(store, 1, secs)
    (tmp_path / "2e-05.db").rename(path)
    with closing(Source(str(path))) as source:
        # By its clock nothing is remembered for its age.
        context = Context(source, Cache(clock=itertools.count(0.0, 60.0).__next__))
        (one,) = context.kernels()
        (tmp_path / "1e-05.db").rename(path)
        (other,) = context.kernels()
    assert _secs(one, other) == pytest.approx([2e-5, 1e-5], rel=0.1)
