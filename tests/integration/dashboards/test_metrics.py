"""`/metrics` of the dashboard: what `tunefleet metrics` says, behind the dashboard's guard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from dashboards.source import Source
from db.testing.fleet import SMALL
from scheduler.metrics import METRICS, exposition
from tests.site import OPTIONS, serving


def samples(text: str) -> dict[str, float]:
    """Values by name, summed over labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def test_metrics_are_those_of_the_fleet(fleet_url: str) -> None:
    source = Source(fleet_url)
    with serving(fleet_url, metrics=exposition(lambda: source.store)) as site:
        answer = site.get("/metrics", Accept="text/plain")
        pages = site.get("/tonight.json").json
    source.close()
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    told = samples(answer.text)
    assert told.keys() <= METRICS.keys()
    assert told["tunefleet_up"] == 1.0
    assert told["tunefleet_workers"] == SMALL.workers
    assert told["tunefleet_jobs"] == SMALL.jobs
    assert told["tunefleet_measurements_total"] >= pages["campaigns"][0]["measured"]


def test_a_database_that_is_away_is_told_as_a_metric(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nothing.db"
    source = Source(url)
    with serving(url, metrics=exposition(lambda: source.store)) as site:
        answer = site.get("/metrics", Accept="text/plain")
    assert answer.status == 200
    assert samples(answer.text)["tunefleet_up"] == 0.0


def test_metrics_need_the_token_too(fleet_url: str) -> None:
    token = "correct-horse-battery-staple"
    options = replace(OPTIONS, token=token)
    with serving(fleet_url, options, metrics=lambda: b"tunefleet_up 1.0\n") as site:
        assert site.get("/metrics", Accept="text/plain").status == 401
        allowed = site.get("/metrics", Accept="text/plain", Authorization=f"Bearer {token}")
        assert (allowed.status, allowed.text) == (200, "tunefleet_up 1.0\n")


def test_there_are_none_without_somebody_who_makes_them(fleet_url: str) -> None:
    with serving(fleet_url) as site:
        assert site.get("/metrics").status == 404
