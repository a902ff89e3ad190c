"""What is live: a write is seen within two seconds, and nothing that was open is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from db import JobState, Store, open_store
from db.testing.builders import measurement, populate, workload
from tests.browser.conftest import PATIENCE_MS, Watched
from tests.site import Site, serving

#: From a write to the page, in milliseconds.
SOON_MS = 2_000
#: Writes that may be late: the machine of the tests may have had something else to do.
CHANCES = 50


def _figure(page: Page, name: str) -> str:
    return page.locator(f".figures div:has(dt:text-is('{name}')) dd").inner_text()


def test_a_write_is_seen_within_two_seconds(page: Page, fleet: Site, writer: Store) -> None:
    page.goto(fleet.base + "/tonight")
    expect(page.locator("#connection")).to_have_text("live")
    progress = writer.job_progress(3)
    (job, *_) = [p.job for p in progress if p.job.state is JobState.RUNNING]
    tasks = writer.tasks(job.model_version, job.arch, job.bucket)
    for attempt in range(CHANCES):
        before = _figure(page, "candidates")
        made = [
            measurement(
                n,
                job_id=job.id,
                attempt=attempt + 2,
                workload=tasks[0].workload.digest,
                arch=job.arch,
                toolchain=writer.toolchains()[0].key,
            )
            for n in range(3)
        ]
        writer.add_measurements(made)
        figure = page.locator(".figures div:has(dt:text-is('candidates')) dd")
        try:
            expect(figure).not_to_have_text(before, timeout=SOON_MS)
            break
        except AssertionError:
            expect(figure).not_to_have_text(before)
    else:
        pytest.fail(f"none of {CHANCES} writes was seen within {SOON_MS} ms")


def test_what_was_open_stays_open(page: Page, fleet: Site, writer: Store) -> None:
    row = next(r for r in fleet.get("/coverage.json").json["rows"])
    cell = next(c for c in row["cells"] if c["tuned"])
    page.goto(f"{fleet.base}/workloads/{cell['workload']}?arch={cell['arch']}")
    expect(page.locator("#connection")).to_have_text("live")
    page.locator("summary").first.click()
    told = fleet.get(f"/workloads/{cell['workload']}.json?arch={cell['arch']}").json
    made = measurement(
        77,
        workload=told["digest"],
        arch=cell["arch"],
        toolchain=told["key"]["toolchain"],
        secs=1e-9,
    )
    writer.add_measurements([made])
    expect(page.locator("code.command", has_text=made.uid)).to_be_visible()
    expect(page.locator("details[open]")).to_have_count(1)


def test_a_database_that_goes_away_and_comes_back(
    context: BrowserContext, watched: Watched, tmp_path: Path
) -> None:
    path = tmp_path / "tunefleet.db"
    with open_store(str(path)) as store:
        populate(store).campaign(16)
    with serving(str(path)) as site:
        page = watched.watch(context.new_page())
        page.goto(site.base + "/tonight")
        expect(page.locator("#connection")).to_have_text("live")
        moved = tmp_path / "moved.db"
        path.rename(moved)
        expect(page.locator("#state")).to_contain_text("The database is away")
        # What was shown stays, and a page that is asked for now asks again by itself.
        expect(page.locator("h1")).to_have_text("Tonight")
        other = context.new_page()
        other.set_default_timeout(PATIENCE_MS)
        other.goto(site.base + "/jobs")
        expect(other.locator("h1")).to_have_text("The database is away")
        moved.rename(path)
        expect(page.locator("#state")).to_be_empty()
        expect(other.locator("h1")).to_have_text("Jobs")
    assert watched.complaints == []


def test_hostile_names_do_nothing(
    context: BrowserContext, watched: Watched, tmp_path: Path
) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    path = tmp_path / "tunefleet.db"
    with open_store(str(path)) as store:
        world = populate(store)
        world.campaign(16, name=evil)
        lease = world.lease(evil)
        store.add_measurements([measurement(1, job_id=lease.job.id, secs=None, error_text=evil)])
        store.add_measurements([measurement(2, job_id=lease.job.id, trace=evil, strategy=evil)])
        store.fail(lease, evil, retry=False)
    with serving(str(path)) as site:
        page = watched.watch(context.new_page())
        digest = workload().digest
        for where in ("/tonight", "/nights/1", "/errors", "/jobs/1", f"/workloads/{digest}"):
            page.goto(site.base + where)
            expect(page.locator("#connection")).to_have_text("live")
            expect(page.get_by_text(re.compile("onerror=")).first).to_be_attached()
            assert "owned" not in page.title()
            assert page.locator("main img").count() == 0
    assert watched.complaints == []


def test_the_token_is_asked_for(
    context: BrowserContext, watched: Watched, fleet_path: Path
) -> None:
    from dataclasses import replace

    from tests.site import OPTIONS

    token = "correct-horse-battery-staple"
    with serving(str(fleet_path), replace(OPTIONS, token=token)) as site:
        page = watched.watch(context.new_page())
        page.goto(site.base + "/jobs?state=done")
        page.get_by_label("token").fill(token)
        page.keyboard.press("Enter")
        expect(page).to_have_url(site.base + "/jobs?state=done")
        expect(page.locator("#connection")).to_have_text("live")
    assert watched.complaints == []
