"""Every page says, as HTML and as JSON, what the database holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import jsonschema
import pytest

from dashboards.testing import ADDRESSES
from db import open_store
from db.testing.fleet import SMALL
from tests.site import Site, serving

#: The same pages in other words.
FILTERED = (
    "/coverage?show=speedup&only=untuned",
    "/jobs?state=done&sort=bucket&order=asc",
)


def twin(path: str) -> str:
    """Address of the JSON of a page."""
    base, mark, query = path.partition("?")
    return f"{base}.json{mark}{query}"


@pytest.mark.parametrize("path", [*ADDRESSES, *FILTERED])
def test_a_page_and_its_twin(fleet: Site, path: str) -> None:
    path = fleet.named(path)
    page = fleet.get(path)
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f'href="{twin(path).replace("&", "&amp;")}"' in page.text
    # A page shows something, and nothing of it is a value that nobody formatted.
    assert "</table>" in page.text or "</svg>" in page.text
    assert not re.search(r">\s*(None|nan|inf)\s*<", page.text)
    told = fleet.get(twin(path))
    assert told.status == 200
    assert told.headers["content-type"] == "application/json"
    assert told.json


@pytest.mark.parametrize("path", [*ADDRESSES, *FILTERED])
def test_a_twin_keeps_to_its_schema(fleet: Site, path: str) -> None:
    path = fleet.named(path)
    document = schema(fleet.base)
    operations = document["paths"]
    base = twin(path).partition("?")[0]
    (route,) = [r for r in operations if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", r), base)]
    content = operations[route]["get"]["responses"]["200"]["content"]["application/json"]
    resolved = {**content["schema"], "components": document["components"]}
    jsonschema.validate(fleet.get(twin(path)).json, resolved)


@cache
def schema(base: str) -> Any:
    return Site(base).get("/openapi.json").json


def test_every_field_of_every_twin_is_described(fleet: Site) -> None:
    schemas = schema(fleet.base)["components"]["schemas"]
    undocumented = [
        f"{name}.{field}"
        for name, told in schemas.items()
        if "HTTP" not in name and "Validation" not in name
        for field, described in told.get("properties", {}).items()
        if not described.get("description")
    ]
    assert undocumented == []


@pytest.fixture
def just_filled(fleet_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A dashboard a second after the fleet was last heard of, however long the tests take."""
    with open_store(fleet_url, read_only=True) as store:
        heard = max(worker.seen_at for worker in store.workers() if worker.seen_at is not None)
    now = heard + timedelta(seconds=1)
    for page in ("tonight", "workers"):
        monkeypatch.setattr(f"dashboards.pages.{page}.clock", lambda _: now)
    with serving(fleet_url) as site:
        yield site


def test_tonight(just_filled: Site, fleet_url: str) -> None:
    told = just_filled.get("/tonight.json").json
    (campaign,) = told["campaigns"]
    assert campaign["id"] == SMALL.nights
    assert campaign["jobs"]["running"] == SMALL.workers
    assert sum(campaign["jobs"].values()) == SMALL.jobs_per_night
    with open_store(fleet_url, read_only=True) as store:
        assert campaign["measured"] == store.campaign_progress(SMALL.nights).measurements
    assert told["slots"] == told["slots_busy"] == SMALL.workers
    assert campaign["outlook"]["least"] <= campaign["outlook"]["typical"]
    assert campaign["outlook"]["typical"] <= campaign["outlook"]["most"]
    assert max(told["flow"]["measured"]) == pytest.approx(SMALL.workers * 44 / 60, rel=0.1)
    assert {g["model"] for g in told["gains"]} == {"ads-0", "ads-1"}
    assert all(g["gain"] > 1.0 for g in told["gains"])


def test_coverage_counts_and_filters(fleet: Site) -> None:
    told = fleet.get("/coverage.json").json
    cells = [cell for row in told["rows"] for cell in row["cells"]]
    assert len(cells) == told["cells"] == SMALL.workloads * 2 * SMALL.buckets * SMALL.archs
    assert len(told["rows"]) == SMALL.workloads * 2
    assert all(0 < c["roofline"] <= 1 and c["speedup"] > 1 for c in cells if c["tuned"])
    untuned = fleet.get("/coverage.json?only=untuned").json
    assert untuned["cells"] == told["cells"] - told["tuned"] > 0
    one = fleet.get("/coverage.json?model=ads-0&op=dense").json
    assert {row["op_kind"] for row in one["rows"]} == {"dense"}
    assert 0 < one["cells"] < told["cells"]
    assert fleet.get("/coverage.json?model=nobody").json["rows"] == []


def test_a_workload(fleet: Site, fleet_url: str) -> None:
    prefix = fleet.named("{workload}")
    told = fleet.get(f"/workloads/{prefix}.json").json
    assert told["digest"].startswith(prefix)
    key = told["key"]
    with open_store(fleet_url, read_only=True) as store:
        names_ = (told["digest"], key["arch"], key["toolchain"])
        record = store.best_records([told["digest"]], key["arch"], key["toolchain"])
        measured = store.measured(*names_)
    assert key["best_secs"] == record[told["digest"]].run_secs
    assert {t["strategy"] for t in told["trials"]} <= {"autotvm", "ansor"}
    fastest = min(m.median for m in measured.values() if m.median is not None)
    assert told["top"][0]["median"] == pytest.approx(fastest, rel=0.03)
    assert told["top"][0]["command"] == f"tunefleet measure {told['top'][0]['uid']}"
    assert [use["model"] for use in told["uses"]] == ["ads-0"]
    page = fleet.get(f"/workloads/{prefix}").text
    for shown in ("Roofline", "GFLOP/s", "tunefleet measure", "candidates measured", "Used by"):
        assert shown in page
    other = fleet.get(f"/workloads/{prefix}.json?arch=icelake-server").json
    assert other["key"]["arch"] == "icelake-server"


def test_a_model(fleet: Site) -> None:
    told = fleet.get("/models/ads-0.json").json
    assert {(b["arch"], b["bucket"]) for b in told["buckets"]} == {
        (arch, bucket) for arch in ("znver4", "icelake-server") for bucket in (1, 2, 4)
    }
    for found in told["lookups"]:
        (of,) = [
            b
            for b in told["buckets"]
            if (b["arch"], b["bucket"]) == (found["arch"], found["bucket"])
        ]
        assert sum(found["kinds"].values()) == of["kernels"]
        assert found["kinds"]["record"] == of["tuned"]
    tuned = {(b["arch"], b["bucket"]): b["tuned"] / b["kernels"] for b in told["buckets"]}
    for time in told["tuned_times"]:
        share = tuned[time["arch"], time["bucket"]]
        assert (time["share"] == 1.0) == (share == 1.0)
        assert 0.0 < time["share"] <= 1.0
    assert {(s["arch"], s["bucket"]) for s in told["served"]} == set(tuned)
    assert all(s["processes"] == 2 and s["calls"] > 0 for s in told["served"])
    assert all(sum(s["kinds"].values()) == 2 * SMALL.workloads for s in told["served"])
    (version,) = told["versions"]
    assert (version["processes"], version["refreshes"]) == (4, 12)
    page = fleet.get("/models/ads-0").text
    for shown in ("time in tuned ones", "Lookups at serving time", "Versions and refreshes"):
        assert shown in page


def test_nights_and_what_changed_between_them(fleet: Site, fleet_url: str) -> None:
    nights = fleet.get("/nights.json").json["nights"]
    assert [n["id"] for n in nights] == [3, 2, 1]
    assert all(n["slot_hours"] > 0 for n in nights)
    changes = fleet.get("/compare.json?before=1&after=3").json["changes"]
    with open_store(fleet_url, read_only=True) as store:
        ends = [store.campaign_progress(n).finished_at or store.now() for n in (1, 3)]
        assert ends[0] is not None
        expected = store.compare(ends[0], ends[1])
    faster = [c for c in expected if c.speedup is not None and c.speedup > 1.01]
    slower = [c for c in expected if c.speedup is not None and c.speedup < 0.99]
    assert changes["counts"]["improved"] == len(faster)
    assert changes["counts"]["regressed"] == len(slower)
    new = [c for c in expected if c.before is None and c.after is not None]
    assert changes["counts"]["covered"] == len(new)


def test_two_toolchains_compared(fleet: Site, fleet_url: str) -> None:
    with open_store(fleet_url, read_only=True) as store:
        new, old = (t.key for t in store.toolchains())
        now = store.now()
        expected = store.compare(now, now, toolchain_before=old, toolchain_after=new)
    path = f"/compare.json?before=3&after=3&toolchain_before={old}&toolchain_after={new}"
    counts = fleet.get(path).json["changes"]["counts"]
    regressed = [
        c
        for c in expected
        if (c.after is None and c.before is not None)
        or (c.speedup is not None and c.speedup < 0.99)
    ]
    assert counts["regressed"] == len(regressed)
    assert sum(counts.values()) == len(expected)


def test_workers(just_filled: Site) -> None:
    told = just_filled.get("/workers.json?hours=1").json
    assert told["total"] == SMALL.workers
    for worker in told["workers"]:
        assert worker["state"] == "busy"
        assert 0.85 < worker["drift"] <= 1.0
        busy = [p["busy_s"] / (told_width(told)) for p in worker["pieces"][5:-5]]
        assert min(busy) == pytest.approx(max(busy), rel=0.2)
    assert just_filled.get("/workers.json?hours=24").json["total"] == SMALL.workers * 2


def told_width(told: Any) -> float:
    """Seconds of a piece of the span."""
    from datetime import datetime

    span = told["span"]
    since, until = (datetime.fromisoformat(span[name]) for name in ("since", "until"))
    return (until - since).total_seconds() / float(span["pieces"])


def test_errors_are_grouped(fleet: Site, fleet_url: str) -> None:
    told = fleet.get("/errors.json").json
    with open_store(fleet_url, read_only=True) as store:
        failed = sum(sum(c.errors.values()) for c in store.campaigns())
    assert told["failed"] == failed == sum(g["count"] for g in told["groups"])
    crashed = fleet.get("/errors.json?kind=run_crash").json
    assert {g["kind"] for g in crashed["groups"]} == {"run_crash"}
    one = fleet.get(f"/errors/{told['groups'][0]['signature']}.json").json
    assert one["example"]["error_kind"] == one["group"]["kind"]
    assert {s["action"] for s in told["setbacks"]} == {"fail"}


def test_jobs_filter_sort_and_page(fleet: Site) -> None:
    every = fleet.get("/jobs.json").json
    assert every["total"] == SMALL.jobs
    assert [j["id"] for j in every["jobs"]] == sorted(
        (j["id"] for j in every["jobs"]), reverse=True
    )
    done = fleet.get("/jobs.json?state=done&arch=znver4&campaign=1").json
    assert {(j["state"], j["arch"], j["campaign"]) for j in done["jobs"]} == {("done", "znver4", 1)}
    by_bucket = fleet.get("/jobs.json?sort=bucket&order=asc").json["jobs"]
    assert [j["bucket"] for j in by_bucket] == sorted(j["bucket"] for j in by_bucket)
    assert fleet.get("/jobs.json?page=99").json["jobs"] == []
    story = fleet.get("/jobs/1.json").json
    assert [e["action"] for e in story["events"]] == ["create", "claim", "finish"]
    assert story["measured"] == len(story["samples"])


def test_forms_leave_no_empty_fields_behind(fleet: Site) -> None:
    answer = fleet.get("/jobs?campaign=&state=done&model=&sort=id")
    assert answer.status == 303
    assert answer.headers["location"] == "/jobs?state=done&sort=id"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jobs/999999", 404),
        ("/workloads/0000000000000000", 404),
        ("/workloads/00", 404),
        ("/models/nobody", 404),
        ("/nights/999", 404),
        ("/errors/nothing", 404),
        ("/nowhere", 404),
        ("/jobs?state=excellent", 422),
        ("/jobs?page=0", 422),
        ("/compare", 422),
    ],
)
def test_what_is_not_there(fleet: Site, path: str, status: int) -> None:
    answer = fleet.get(path)
    assert answer.status == status
    assert "<h1>" in answer.text
    told = fleet.get(twin(path))
    assert told.status == status
    assert told.json["detail"]
