"""SQLite when things go wrong: retried where it can pass, else one line, nothing half-written."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from db import (
    CorruptDatabase,
    DatabaseUnavailable,
    DbError,
    Measurement,
    NotFound,
    ReadOnlyDatabase,
    Store,
    open_store,
)
from db.backend import sqlite as backend
from db.cli import db_group
from db.maintenance import check
from db.store._sql import SqlStore
from db.testing.builders import ARCH, TOOLCHAIN, World, measurement, populate, workload
from tests import children

KEY = (workload().digest, ARCH.name, TOOLCHAIN.key)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tunefleet.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(str(path)) as opened:
        yield opened


def _big(number: int) -> list[Measurement]:
    return [measurement(number * 64 + n, trace="x" * 20_000) for n in range(64)]


def _one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


def _write_until_refused(path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open_store(str(path)) as store:
        populate(store)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
        with pytest.raises(DatabaseUnavailable) as caught:  # noqa: PT012
            for number in range(50):
                store.add_measurements(_big(number))
        assert "free some space" in _one_line(caught.value)


class TestFullDisk:
    def test_a_batch_that_does_not_fit_is_not_there(self, world: World) -> None:
        store = world.store
        assert isinstance(store, SqlStore)
        sa.event.listen(
            store.database.engine,
            "checkout",
            lambda connection, *_: connection.execute("PRAGMA max_page_count = 1200").fetchall(),
        )
        acknowledged = 0
        with pytest.raises(DatabaseUnavailable) as caught:  # noqa: PT012
            for number in range(50):
                acknowledged += store.add_measurements(_big(number))
        assert "free some space" in _one_line(caught.value)
        assert acknowledged > 0
        assert len(store.measured(*KEY)) == acknowledged
        assert check(store.database) == []

    def test_a_file_that_must_not_grow(self, path: Path) -> None:
        # The real thing, as far as one process can have it: the kernel refuses to write.
        children.run(_write_until_refused, path)
        with open_store(str(path)) as store:
            assert isinstance(store, SqlStore)
            assert len(store.measured(*KEY)) % 64 == 0
            assert check(store.database) == []
            assert store.add_measurements(_big(99)) == 64


class TestLockedFile:
    @pytest.fixture
    def holder(self, store: Store, path: Path) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        yield connection
        connection.close()

    def test_waits_for_the_other_writer(self, store: Store, holder: sqlite3.Connection) -> None:
        holder.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.5, lambda: holder.execute("COMMIT"))
        release.start()
        store.add_arch(ARCH)
        release.join()
        assert store.archs() == [ARCH]

    def test_gives_up_in_one_line(
        self, path: Path, holder: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backend, "BUSY_TIMEOUT_S", 0.05)
        monkeypatch.setattr("db.backend.database.RACES", 3)
        holder.execute("BEGIN IMMEDIATE")
        with open_store(str(path)) as store:
            with pytest.raises(DatabaseUnavailable) as caught:
                store.add_arch(ARCH)
            assert "another process holds the file" in _one_line(caught.value)
            # Readers do not mind.
            assert store.archs() == []
            holder.execute("COMMIT")
            store.add_arch(ARCH)


class TestCorruptFile:
    def test_not_a_database(self, path: Path) -> None:
        path.write_bytes(b"This is a text file, not a database.\n" * 100)
        before = path.read_bytes()
        for read_only in (False, True):
            with pytest.raises(CorruptDatabase, match="restore a copy") as caught:
                open_store(str(path), read_only=read_only)
            _one_line(caught.value)
        assert path.read_bytes() == before

    def test_damaged_pages(self, path: Path) -> None:
        with open_store(str(path)) as store:
            populate(store)
            store.add_measurements(_big(0))
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(3 * 4096)
            file.write(random.randbytes(size - 3 * 4096))

        def read_everything() -> None:
            with open_store(str(path), read_only=True) as store:
                store.stats()

        with pytest.raises(CorruptDatabase, match="restore a copy") as caught:
            read_everything()
        _one_line(caught.value)

    def test_check_names_the_damage(self, path: Path) -> None:
        with open_store(str(path)) as store:
            assert isinstance(store, SqlStore)
            populate(store)
            raw = store.database.engine.raw_connection()
            raw.cursor().execute("PRAGMA foreign_keys = OFF")
            raw.cursor().execute("DELETE FROM cpu_archs")
            raw.close()
            assert any("refers to nothing in cpu_archs" in line for line in check(store.database))

    def test_a_cut_off_file(self, path: Path) -> None:
        with open_store(str(path)) as store:
            populate(store)
        with path.open("r+b") as file:
            file.truncate(5000)
        with pytest.raises(DbError) as caught:
            open_store(str(path))
        _one_line(caught.value)


class TestAccess:
    def test_a_missing_file_is_not_created_for_readers(self, path: Path) -> None:
        for options in ({"create": False}, {"read_only": True}):
            with pytest.raises(NotFound, match="no such database"):
                open_store(str(path), **options)
        assert not path.exists()

    def test_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(DatabaseUnavailable, match="choose another folder") as caught:
            open_store(f"{tmp_path}/missing/tunefleet.db")
        _one_line(caught.value)

    def test_a_folder_instead_of_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(DatabaseUnavailable, match="accessible"):
            open_store(str(tmp_path))

    def test_a_folder_that_cannot_be_written(self) -> None:
        _as_nobody(_create_in_vain)

    def test_a_file_that_cannot_be_written(self) -> None:
        _as_nobody(_write_in_vain)

    def test_a_read_only_store_writes_nothing(self, path: Path) -> None:
        with open_store(str(path)) as store:
            populate(store)
        with open_store(str(path), read_only=True) as store:
            with pytest.raises(ReadOnlyDatabase, match="open it for writing"):
                store.add_arch(ARCH)
            assert len(store.archs()) == 2


def test_commands_tell_one_line(path: Path) -> None:
    from click.testing import CliRunner

    path.write_bytes(b"not a database" * 100)
    result = CliRunner().invoke(db_group, ["stats"], obj={"db": str(path)})
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "restore a copy" in result.output


def test_several_processes_may_create_the_file_at_once(path: Path) -> None:
    creators = [children.start(_create, path) for _ in range(6)]
    for creator in creators:
        creator.join()
    assert [creator.exitcode for creator in creators] == [0] * 6
    with open_store(str(path), create=False) as store:
        populate(store)


def _create(path: Path) -> None:
    open_store(str(path)).close()


def _create_in_vain(folder: Path) -> None:
    folder.chmod(0o555)
    with pytest.raises(DatabaseUnavailable, match="choose another folder") as caught:
        open_store(f"{folder}/tunefleet.db")
    _one_line(caught.value)
    assert list(folder.iterdir()) == []


def _write_in_vain(folder: Path) -> None:
    with open_store(f"{folder}/tunefleet.db") as store:
        populate(store)
    for file in folder.iterdir():
        file.chmod(0o444)
    with open_store(f"{folder}/tunefleet.db") as store:
        with pytest.raises(ReadOnlyDatabase, match="make file and folder writable"):
            store.add_workloads([workload(7)])
        assert store.model_version("dlrm").id == 1


def _as_nobody(body: Callable[[Path], object]) -> None:
    """Run `body` in a folder of its own as a user to whom permissions apply."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "folder"
        folder.mkdir()
        Path(name).chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder, 65534, 65534)
        children.run(_drop_rights, body, folder)


def _drop_rights(body: Callable[[Path], object], folder: Path) -> None:
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    body(folder)


@pytest.mark.usefixtures("one_try")
def test_time_spent_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(backend, "BUSY_TIMEOUT_S", 0.2)
    with open_store(str(path), patience_s=0.1) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable):
            store.add_arch(ARCH)
        holder.close()
