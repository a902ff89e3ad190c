"""Snapshots, retention, checks: on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from db import (
    DatabaseUnavailable,
    ReadOnlyDatabase,
    Store,
    open_store,
)
from db.maintenance import RetentionPolicy, check, export_snapshot, prune
from db.store._sql import SqlStore
from db.testing.builders import (
    ARCH,
    OTHER_ARCH,
    TOOLCHAIN,
    World,
    measurement,
    promotion,
    workload,
)

KEY = (workload().digest, ARCH.name, TOOLCHAIN.key)
EVERYTHING_IS_OLD = RetentionPolicy(runners_up=3, keep_days=0.0, keep_one_in=10)


def _sql(store: Store) -> SqlStore:
    assert isinstance(store, SqlStore)
    return store


def _fill(store: Store, number: int = 40) -> None:
    batch = [measurement(n, secs=(n + 1) * 1e-5) for n in range(number)]
    failed = [measurement(n + number, secs=None) for n in range(number)]
    store.add_measurements([*batch, *failed])
    for slow in (30, 10):
        assert store.promote(promotion(batch[slow]))


class TestSnapshot:
    def test_serves_like_the_original(self, world: World, tmp_path: Path) -> None:
        _fill(world.store)
        report = export_snapshot(_sql(world.store).database, tmp_path / "snapshot.db")
        assert (report.best_records, report.model_versions) == (1, 1)
        lookup = (world.model_version, 16, ARCH.name, TOOLCHAIN.key)
        with open_store(f"sqlite:///{tmp_path}/snapshot.db", read_only=True) as snapshot:
            # SQLite keeps milliseconds.
            assert _untimed(snapshot.lookup(*lookup)) == _untimed(world.store.lookup(*lookup))
            assert snapshot.tasks(1, ARCH.name, 16) == world.store.tasks(1, ARCH.name, 16)
            assert snapshot.model_version("dlrm").source == "dlrm.pt2"
            assert snapshot.stats().rows["measurements"] == 1
            assert check(_sql(snapshot).database) == []
            with pytest.raises(ReadOnlyDatabase, match="read-only"):
                snapshot.add_arch(ARCH)

    def test_is_one_plain_file(self, world: World, tmp_path: Path) -> None:
        folder = tmp_path / "out"
        folder.mkdir()
        report = export_snapshot(_sql(world.store).database, folder / "snapshot.db")
        assert [file.name for file in folder.iterdir()] == ["snapshot.db"]
        assert report.size == (folder / "snapshot.db").stat().st_size

    def test_replaces_an_older_one_under_its_readers(self, world: World, tmp_path: Path) -> None:
        database = _sql(world.store).database
        path = tmp_path / "snapshot.db"
        export_snapshot(database, path)
        with open_store(str(path), read_only=True) as reader:
            _fill(world.store)
            export_snapshot(database, path)
            assert reader.best_records(None, ARCH.name, None) == {}
        with open_store(str(path), read_only=True) as reader:
            assert len(reader.best_records(None, ARCH.name, None)) == 1

    def test_of_one_architecture(self, world: World, tmp_path: Path) -> None:
        for one in (measurement(1), measurement(2, arch=OTHER_ARCH.name)):
            world.store.promote(promotion(one), measurements=[one])
        path = tmp_path / "snapshot.db"
        export_snapshot(_sql(world.store).database, path, archs=[OTHER_ARCH.name])
        with open_store(str(path), read_only=True) as snapshot:
            assert snapshot.stats().best_records == {OTHER_ARCH.name: 1}

    def test_never_overwrites_a_database_in_use(self, world: World, tmp_path: Path) -> None:
        with open_store(str(tmp_path / "live.db")) as live:
            live.add_arch(ARCH)
            with pytest.raises(DatabaseUnavailable, match="in use"):
                export_snapshot(_sql(world.store).database, tmp_path / "live.db")
            assert live.archs() == [ARCH]

    def test_leaves_nothing_where_it_cannot_write(self, world: World, tmp_path: Path) -> None:
        with pytest.raises(DatabaseUnavailable, match="choose another folder"):
            export_snapshot(_sql(world.store).database, tmp_path / "missing" / "snapshot.db")
        assert not (tmp_path / "missing").exists()


class TestPrune:
    def test_keeps_every_best_and_its_runners_up(self, world: World) -> None:
        store = world.store
        _fill(store)
        before = store.top_measurements(*KEY, limit=3)
        history = store.history(*KEY)
        report = prune(_sql(store).database, EVERYTHING_IS_OLD)
        assert report.measurements == 80
        assert report.removed > 60
        # Nothing else refers to their traces.
        assert report.records_removed == report.removed
        assert store.top_measurements(*KEY, limit=3) == before
        assert store.history(*KEY) == history
        assert len(store.measured(*KEY)) == 80 - report.removed

    def test_again_removes_nothing(self, world: World) -> None:
        _fill(world.store)
        database = _sql(world.store).database
        prune(database, EVERYTHING_IS_OLD)
        assert prune(database, EVERYTHING_IS_OLD).removed == 0

    def test_a_dry_run_only_counts(self, world: World) -> None:
        _fill(world.store)
        database = _sql(world.store).database
        told = prune(database, EVERYTHING_IS_OLD, dry_run=True)
        assert len(world.store.measured(*KEY)) == 80
        assert prune(database, EVERYTHING_IS_OLD) == told

    def test_new_ones_stay(self, world: World) -> None:
        _fill(world.store)
        assert prune(_sql(world.store).database, RetentionPolicy(1)).removed == 0

    def test_a_candidate_of_two_architectures_keeps_its_trace(self, world: World) -> None:
        store = world.store
        slow = [measurement(n, secs=1e-3) for n in range(20)]
        elsewhere = [measurement(n, attempt=2, arch=OTHER_ARCH.name) for n in range(20)]
        store.add_measurements(slow + elsewhere)
        policy = RetentionPolicy(runners_up=20, keep_days=0.0)
        assert prune(_sql(store).database, policy).removed == 0
        prune(_sql(store).database, RetentionPolicy(runners_up=1, keep_days=0.0))
        for arch in (ARCH.name, OTHER_ARCH.name):
            left = store.measured(KEY[0], arch, KEY[2]).values()
            assert left
            assert all(one.trace is not None for one in left)

    def test_compacting(self, world: World) -> None:
        _fill(world.store)
        database = _sql(world.store).database
        prune(database, EVERYTHING_IS_OLD)
        database.compact()
        assert len(world.store.history(*KEY)) == 2


class TestCheck:
    def test_all_is_well(self, world: World) -> None:
        world.campaign()
        world.lease()
        _fill(world.store)
        assert check(_sql(world.store).database) == []

    @pytest.mark.parametrize(
        ("damage", "finding"),
        [
            ("UPDATE best_records SET run_secs = run_secs / 2", "not the fastest"),
            ("UPDATE promotions SET revoked_at = promoted_at", "revoked"),
            ("UPDATE promotions SET regime = 'cold'", "another key"),
            ("UPDATE promotions SET validation = '{}'", "without validation"),
            (
                "UPDATE jobs SET state = 'done', lease_expires_at = NULL,"
                " finished_at = created_at WHERE state = 'running'",
                "last event",
            ),
        ],
    )
    def test_contradictions_are_found(self, world: World, damage: str, finding: str) -> None:
        world.campaign()
        world.lease()
        _fill(world.store)
        database = _sql(world.store).database
        database.write(lambda connection: connection.execute(sa.text(damage)))
        assert any(finding in line for line in check(database))

    def test_a_forgotten_lease_is_found(self, world: World) -> None:
        world.campaign()
        world.lease(lease_s=-7200.0)
        assert any("over an hour ago" in line for line in check(_sql(world.store).database))


def _untimed(found: object) -> str:
    return repr(found).partition("recorded_at")[0]
