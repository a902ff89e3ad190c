"""Empty databases, campaigns without workers, databases that go away: pages tell what is up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dashboards.source import Source
from db import DatabaseUnavailable, Store, WorkerInfo, open_store
from db.testing.builders import ARCH, World, measurement, populate, workload
from db.testing.postgres import TemporaryPostgres, temporary_postgres
from db.views.pulse import pulse
from tests.site import PATIENCE_S, Site, serving

ALL = ("/tonight", "/coverage", "/models", "/nights", "/workers", "/errors", "/jobs")


@pytest.mark.parametrize("path", ALL)
def test_an_empty_database(site: Site, path: str) -> None:
    answer = site.get(path)
    assert answer.status == 200
    assert 'class="empty"' in answer.text or 'class="situation"' in answer.text


def test_an_empty_database_says_what_to_do_first(site: Site, store: Store) -> None:
    assert "tunefleet models add" in site.get("/tonight").text
    populate(store)
    time.sleep(1.1)
    assert "tunefleet tune MODEL" in site.get("/tonight").text


def test_a_campaign_without_a_worker(site: Site, world: World) -> None:
    campaign = world.campaign(1, 16)
    world.store.explain(campaign, ARCH.name, "no node has this CPU")
    told = site.get("/tonight.json").json
    assert told["situation"].startswith("No worker serves")
    assert "2 jobs wait" in told["situation"]
    assert "no node has this CPU" in told["situation"]
    assert told["advice"]


def test_a_campaign_with_a_worker(site: Site, world: World) -> None:
    world.campaign(1, 16)
    world.store.register_worker(WorkerInfo("w1", "host", ARCH.name))
    world.lease("w1")
    told = site.get("/tonight.json").json
    assert told["situation"] == "1 campaign is running on 1 slot; 1 job waits."
    assert (told["slots"], told["slots_busy"]) == (1, 1)


def test_a_paused_campaign(site: Site, world: World) -> None:
    campaign = world.campaign(1)
    world.store.pause_campaign(campaign, "the rack is hot")
    told = site.get("/tonight.json").json
    assert "the rack is hot" in told["situation"]
    assert told["advice"] == f"tunefleet campaign resume {campaign}"


def test_a_workload_that_nobody_measured(site: Site, world: World) -> None:
    page = site.get(f"/workloads/{workload().digest}").text
    assert "Nobody has measured this workload" in page


def test_a_file_that_is_made_goes_away_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "tunefleet.db"
    with serving(f"sqlite:///{path}") as site:
        answer = site.get("/tonight")
        assert answer.status == 503
        assert "no such database" in answer.text
        assert int(answer.headers["retry-after"]) > 0
        assert site.get("/healthz").status == 503
        with open_store(str(path)) as store:
            populate(store).campaign(16)
        _until(site, 200)
        assert site.get("/healthz").json == {"status": "ok"}
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        for file in tmp_path.glob("tunefleet.db*"):
            file.rename(elsewhere / file.name)
        _until(site, 503)
        for file in elsewhere.iterdir():
            file.rename(tmp_path / file.name)
        _until(site, 200)
        assert len(site.get("/nights.json").json["nights"]) == 1


@pytest.mark.postgres
def test_a_server_that_goes_away_and_comes_back() -> None:
    with temporary_postgres(fsync="off") as server:
        url = server.create_database()
        with open_store(url) as store:
            populate(store).campaign(16)
        with serving(url) as site:
            assert site.get("/tonight").status == 200
            states = (html for name, html in site.events("/tonight.live") if name == "state")
            assert next(states) == ""
            server.stop()
            _until(site, 503)
            assert "The database is away" in next(states)
            server.start()
            _until(site, 200)
            # On its way back a server says other things that it cannot do yet.
            assert any(html == "" for html in states)


def _until(site: Site, status: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while site.get("/nights").status != status:
        assert time.monotonic() < end, f"no {status} within {PATIENCE_S:g} s"
        time.sleep(0.1)


def test_a_revision_of_another_time(tmp_path: Path, postgres: TemporaryPostgres) -> None:
    from db.migrate import upgrade

    path = tmp_path / "old.db"
    upgrade(str(path), to="0005")
    with serving(str(path)) as site:
        answer = site.get("/tonight")
        assert answer.status == 503
        assert "tunefleet db upgrade" in answer.text


def test_what_is_written_is_told(site: Site, world: World) -> None:
    world.campaign(16)
    events = site.events("/tonight.live")
    lease = world.lease("w1")
    assert any(name == "campaigns" and "1 running" in html for name, html in events)
    world.store.add_measurements([measurement(n, job_id=lease.job.id) for n in range(7)])
    assert any(name == "figures" and "<dd>7</dd>" in html for name, html in events)


def test_a_dashboard_that_ends_opens_nothing_any_more(store: Store, url: str) -> None:
    source = Source(url)
    assert source.read(pulse).paused == 0
    source.close()
    with pytest.raises(DatabaseUnavailable, match="is ending"):
        source.read(pulse)
