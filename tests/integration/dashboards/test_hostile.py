"""Names, texts and traces are what somebody else wrote: shown as they are, and never believed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from dashboards.report import html_report
from dashboards.source import Source
from db import ModelVersion, Store, Task, WorkerInfo, open_store
from db.testing.builders import ARCH, World, digest, measurement, populate, promotion, workload
from tests.site import Site, serving

HOSTILE = "\"><img src=x onerror=alert(1)><script>alert('2')</script>' {{ 7*7 }} </script>\u202e"
TAGS = {"img", "iframe", "object", "embed", "base"}


class Tags(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def assert_harmless(text: str) -> None:
    parser = Tags()
    parser.feed(text)
    for tag, attributes in parser.tags:
        assert tag not in TAGS, text
        assert not any(name.startswith("on") or name == "style" for name in attributes), attributes
        for name in ("href", "src", "action"):
            link = attributes.get(name) or "/"
            assert re.match(r"[/?#]|workloads/", link), link
        if tag == "script":
            assert attributes.get("src", "").startswith("/static/") or (  # type: ignore[union-attr]
                attributes.get("type") == "application/json"
            )


@pytest.fixture(scope="module")
def hostile_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "tunefleet.db"
    with open_store(str(path)) as store:
        _fill(store)
    return path


def _fill(store: Store) -> World:
    world = populate(store)
    evil = workload(5, name=HOSTILE, op_kind=HOSTILE, dtype=HOSTILE)
    version = store.add_model_version(ModelVersion(HOSTILE, digest("evil"), HOSTILE))
    store.set_tasks(version, ARCH.name, 16, [Task(evil, calls=2)])
    world = World(store, version)
    campaign = world.campaign(16, 32, name=HOSTILE)
    store.register_worker(WorkerInfo(HOSTILE, HOSTILE, ARCH.name, HOSTILE))
    store.heartbeat(HOSTILE, {"measured": 3.0, "fma_gflops": 9.0})
    lease = world.lease(HOSTILE)
    made = [
        measurement(
            n,
            job_id=lease.job.id,
            workload=evil.digest,
            strategy=HOSTILE,
            host=HOSTILE,
            config={HOSTILE: HOSTILE, "n": n},
            trace=HOSTILE if n % 2 else f'[[["{n}",["b0"],["</script>"],["b1"]]],[]]',
            secs=1e-5 * (n + 1),
        )
        for n in range(3)
    ]
    made.append(
        measurement(
            3,
            job_id=lease.job.id,
            workload=evil.digest,
            secs=None,
            error_text=HOSTILE,
            host=HOSTILE,
        )
    )
    store.add_measurements(made)
    store.promote(promotion(made[0]))
    store.rollback(evil.digest, ARCH.name, made[0].toolchain, HOSTILE)
    store.promote(promotion(made[1]))
    store.fail(lease, HOSTILE, retry=False)
    store.explain(campaign, ARCH.name, HOSTILE)
    store.pause_campaign(campaign, HOSTILE)
    return world


@pytest.fixture(scope="module")
def hostile(hostile_path: Path) -> Iterator[Site]:
    with serving(str(hostile_path)) as site:
        yield site


def paths(site: Site) -> list[str]:
    (group,) = site.get("/errors.json").json["groups"]
    return [
        "/tonight",
        "/coverage",
        f"/coverage?model={quote(HOSTILE)}&op={quote(HOSTILE)}",
        f"/workloads/{workload(5).digest}",
        "/models",
        f"/models/{quote(HOSTILE, safe='')}" if "/" not in HOSTILE else "/models/dlrm",
        "/nights",
        "/nights/1",
        "/workers",
        "/errors",
        f"/errors/{group['signature']}",
        "/jobs",
        f"/jobs?model={quote(HOSTILE)}",
        "/jobs/1",
        f"/jobs/{quote(HOSTILE, safe='')}",
        f"/jobs?state={quote(HOSTILE)}",
        f"/{quote(HOSTILE, safe='')}",
    ]


def test_no_page_believes_what_it_shows(hostile: Site) -> None:
    shown = 0
    for path in paths(hostile):
        answer = hostile.get(path)
        assert answer.status in (200, 404, 422), path
        assert_harmless(answer.text)
        assert "49 </script>" not in html.unescape(answer.text), path
        shown += HOSTILE in html.unescape(answer.text)
    # It is shown, though: nobody has to guess what the database says.
    assert shown >= 8


def test_no_event_believes_what_it_sends(hostile: Site) -> None:
    seen = set()
    for name, sent in hostile.events("/tonight.live"):
        assert_harmless(sent)
        seen.add(name)
        if {"situation", "campaigns", "gains"} <= seen:
            break


def test_a_twin_tells_it_as_it_is(hostile: Site) -> None:
    (campaign,) = hostile.get("/tonight.json").json["campaigns"]
    assert campaign["name"] == HOSTILE


def test_the_file_of_a_night_is_harmless(hostile_path: Path) -> None:
    source = Source(str(hostile_path))
    try:
        text = html_report(source, 1)
    finally:
        source.close()
    parser = Tags()
    parser.feed(text)
    assert {tag for tag, _ in parser.tags} & (TAGS | {"script", "a", "link", "form"}) == set()
    assert HOSTILE in html.unescape(text)
