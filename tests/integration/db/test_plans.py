"""The statements that must be fast use their indexes; said by the database itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from db import Store, open_store
from db.store._sql import SqlStore
from db.testing.builders import ARCH, OTHER_ARCH, TOOLCHAIN, World, measurement, populate, workload
from db.testing.bulk import fill_jobs, fill_records
from db.testing.plans import plans
from db.testing.postgres import TemporaryPostgres

KEY = (workload().digest, ARCH.name, TOOLCHAIN.key)

#: Tables that grow for ever: reading one of them whole is a defect.
LARGE = ("jobs", "measurements", "tuning_records", "events", "promotions")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def large(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """A world large enough that a planner has to think."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/tunefleet.db"
    else:
        server: TemporaryPostgres = request.getfixturevalue("postgres")
        url = server.create_database()
    with open_store(url) as store:
        assert isinstance(store, SqlStore)
        world = populate(store)
        fill_records(
            world, store.database, measurements=20_000, records=10_000, workloads=5_000, model=50
        )
        fill_jobs(world, store.database, queued=3_000, done=3_000)
        yield world


def _plans(world: World, call: Callable[[Store], object], table: str) -> list[str]:
    assert isinstance(world.store, SqlStore)
    found = plans(world.store.database, lambda: call(world.store), table=table)
    assert found
    for plan in found:
        for name in LARGE:
            assert not re.search(rf"(SCAN|Seq Scan on) {name}\b(?! USING)", plan), plan
    return found


@pytest.mark.parametrize("archs", [[ARCH.name], [ARCH.name, OTHER_ARCH.name], None])
def test_claiming_probes_the_queue(large: World, archs: list[str] | None) -> None:
    first, *_ = _plans(large, lambda s: s.claim_job("w", archs=archs), "jobs")
    assert "ix_jobs_queue" in first
    arms = 1 if archs == [ARCH.name] else 2
    assert first.count("ix_jobs_queue") == arms
    # Sorted by the index: nothing is sorted but one candidate per architecture.
    if arms == 1:
        assert "TEMP B-TREE" not in first


def test_claiming_in_a_campaign_probes_its_queue(large: World) -> None:
    first, *_ = _plans(large, lambda s: s.claim_job("w", archs=[ARCH.name], campaign_id=1), "jobs")
    assert re.search(r"ix_jobs_(campaign_)?queue", first)


def test_holding_and_leaving_probe_one_job(large: World) -> None:
    lease = large.lease()
    _plans(large, lambda s: s.renew(lease), "jobs")
    _plans(large, lambda s: s.finish(lease), "jobs")
    _plans(large, lambda s: s.events(lease.job.id), "events")


def test_collecting_leases_reads_running_jobs_alone(large: World) -> None:
    (look,) = _plans(large, lambda s: s.expire_leases(), "jobs")
    assert "ix_jobs_running" in look


def test_resuming_reads_unfinished_jobs_alone(large: World) -> None:
    newest = large.campaign(16)
    found = large.store.find_campaign(1, [ARCH.name], [16], "auto")
    assert found == newest
    first, *_ = _plans(large, lambda s: s.find_campaign(1, [ARCH.name], [16], "auto"), "jobs")
    assert re.search(r"ix_jobs_(unfinished|queue|campaign)", first)


def test_lookup_of_a_model_is_one_statement(large: World) -> None:
    arguments = (large.model_version, 16, ARCH.name, TOOLCHAIN.key)
    assert len(large.store.lookup(*arguments)) == 50
    (plan,) = _plans(large, lambda s: s.lookup(*arguments), "best_records")
    assert re.search(r"pk_best_records|sqlite_autoindex_best_records|best_records", plan)


def test_best_records_are_read_by_key(large: World) -> None:
    digests = [workload(n).digest for n in range(10)]
    _plans(large, lambda s: s.best_records(digests, ARCH.name, TOOLCHAIN.key), "best_records")


def test_measurements_are_read_by_key(large: World) -> None:
    for call in (
        lambda s: s.measured(*KEY),
        lambda s: s.top_measurements(*KEY, 10),
        lambda s: s.history(*KEY),
        lambda s: s.measurement(measurement(0).uid),
        lambda s: s.samples(1),
        lambda s: s.lessons("dense", 1e6),
    ):
        _plans(large, call, "measurements")


def test_the_fastest_need_no_sorting(large: World) -> None:
    first, *_ = _plans(large, lambda s: s.top_measurements(*KEY, 10), "measurements")
    assert "ix_measurements_key" in first
    if "QUERY" not in first:
        assert "TEMP B-TREE" not in first


def test_the_queue_is_vacuumed_long_before_the_default(postgres: TemporaryPostgres) -> None:
    """Until then every claim passes by the jobs that were claimed before it."""
    with open_store(postgres.create_database()) as store:
        assert isinstance(store, SqlStore)
        query = sa.text("SELECT unnest(reloptions) FROM pg_class WHERE relname = 'jobs'")
        options = store.database.read(lambda c: list(c.execute(query).scalars()))
    given = dict(option.split("=") for option in options)
    assert float(given["autovacuum_vacuum_scale_factor"]) <= 0.02
    assert int(given["autovacuum_vacuum_threshold"]) <= 2000
