"""Migrations lead to the schema, keep the data, and are run by ``db upgrade`` alone."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

import db.migrations
from db import SchemaMismatch, open_store
from db.backend.database import Database
from db.backend.revision import create_tables
from db.backend.url import resolve
from db.maintenance import check
from db.migrate import upgrade
from db.schema import HEAD, metadata
from db.store._sql import SqlStore
from db.testing.builders import populate
from db.testing.postgres import TemporaryPostgres

from .schema_of import contents, fill, schema_of

VERSIONS = Path(db.migrations.__file__).parent / "versions"
REVISIONS = sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))


def _run(url: str, body: object) -> object:
    database = Database(resolve(url), read_only=False)
    try:
        return database.write(body)  # type: ignore[arg-type]
    finally:
        database.close()


def test_the_newest_revision_is_the_codes() -> None:
    assert REVISIONS[-1] == HEAD


def test_revisions_are_numbered_in_a_row() -> None:
    assert [f"{n:04}" for n in range(1, len(REVISIONS) + 1)] == REVISIONS
    for before, path in zip([None, *REVISIONS], sorted(VERSIONS.glob("[0-9]*.py")), strict=False):
        text = path.read_text()
        assert f'revision = "{path.name[:4]}"' in text
        assert re.search(rf"^down_revision = {before!r}$".replace("'", '"'), text, re.MULTILINE)


def test_migrations_equal_the_schema(empty_url: str, tmp_path: Path) -> None:
    # Step by step through every migration, also where a fresh file would be created at once.
    for revision in REVISIONS:
        upgrade(empty_url, to=revision)
    migrated = _run(empty_url, schema_of)

    def create(connection: sa.Connection) -> object:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
        create_tables(connection)
        return schema_of(connection)

    assert migrated == _run(empty_url, create)


def test_alembic_finds_nothing_to_do(postgres: TemporaryPostgres) -> None:
    # Of SQLite it cannot reflect indexes over expressions; the test above can.
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def compare(connection: sa.Connection) -> object:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)

    assert _run(postgres.create_database(), compare) == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_upgrading_with_data(empty_url: str, revision: str) -> None:
    upgrade(empty_url, to=revision)
    _run(empty_url, fill)
    before = _run(empty_url, contents)
    assert upgrade(empty_url) == (revision, HEAD)
    after = _run(empty_url, contents)
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    for table, (row,) in before.items():
        (kept,) = after[table]
        assert {name: kept[name] for name in row} == row
    with open_store(empty_url) as store:
        assert isinstance(store, SqlStore)
        assert store.job(1).worker == "jobs.worker"
        # An hour-old lease is all there is to remark.
        assert [line for line in check(store.database) if "lease" not in line] == []
        populate(store)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_only_upgrade_changes_the_schema(empty_url: str, revision: str) -> None:
    upgrade(empty_url, to=revision)
    before = _run(empty_url, schema_of)
    expected = rf"at revision {revision}, this tunefleet needs {HEAD}; run `tunefleet db upgrade`"
    for read_only in (False, True):
        with pytest.raises(SchemaMismatch, match=expected):
            open_store(empty_url, read_only=read_only)
    assert _run(empty_url, schema_of) == before


def test_a_newer_database(empty_url: str) -> None:
    upgrade(empty_url)
    _run(
        empty_url,
        lambda connection: connection.exec_driver_sql(
            "UPDATE alembic_version SET version_num='9999'"
        ),
    )
    with pytest.raises(SchemaMismatch, match="newer than this tunefleet"):
        open_store(empty_url)
    with pytest.raises(SchemaMismatch, match="newer than this tunefleet"):
        upgrade(empty_url)


def test_a_database_of_something_else(empty_url: str) -> None:
    if empty_url.startswith("sqlite"):
        Path(empty_url.removeprefix("sqlite:///")).touch()
    _run(empty_url, lambda connection: connection.exec_driver_sql("CREATE TABLE t (x INT)"))
    for use in (open_store, upgrade):
        with pytest.raises(SchemaMismatch, match="something else"):
            use(empty_url)
    names = _run(empty_url, lambda connection: sa.inspect(connection).get_table_names())
    assert names == ["t"]


def test_an_empty_server_is_not_touched(empty_url: str) -> None:
    if empty_url.startswith("sqlite"):
        with open_store(empty_url) as store:
            assert store.models() == []
        return
    with pytest.raises(SchemaMismatch, match="run `tunefleet db upgrade`"):
        open_store(empty_url)


def test_upgrading_twice_does_nothing(empty_url: str) -> None:
    assert upgrade(empty_url) == (None, HEAD)
    assert upgrade(empty_url) == (HEAD, HEAD)


def test_several_may_upgrade_at_once(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: upgrade(empty_url), range(4)))
    assert all(after == HEAD for _, after in results)
    with open_store(empty_url) as store:
        populate(store)


def test_a_failed_upgrade_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    upgrade(empty_url, to=REVISIONS[0])
    before = _run(empty_url, schema_of)
    create_index = op.create_index

    def fail(*args: object, **kwargs: object) -> None:
        create_index(*args, **kwargs)  # type: ignore[arg-type]
        raise RuntimeError("power cut")

    monkeypatch.setattr(op, "create_index", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        upgrade(empty_url)
    assert _run(empty_url, schema_of) == before
    monkeypatch.undo()
    assert upgrade(empty_url) == (REVISIONS[0], HEAD)
