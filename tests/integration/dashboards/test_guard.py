"""Who gets in, and what browsers are told they may do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from dashboards.guard import POLICY
from dashboards.options import DashboardOptions
from tests.site import OPTIONS, Answer, Site, serving

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def guarded(fleet_url: str) -> Iterator[Site]:
    with serving(fleet_url, replace(OPTIONS, token=TOKEN)) as site:
        yield site


def enter(site: Site, token: str, to: str = "/jobs") -> Answer:
    form = {"content-type": "application/x-www-form-urlencoded"}
    return site.ask("POST", "/login", urlencode({"token": token, "to": to}), form)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "fleet.example"])
def test_beyond_this_machine_a_token_is_needed(host: str) -> None:
    with pytest.raises(ValueError, match="set a token, TUNEFLEET_DASHBOARD_TOKEN"):
        DashboardOptions(host=host)
    with pytest.raises(ValueError, match="too short"):
        DashboardOptions(host=host, token="hunter2")
    assert TOKEN not in repr(DashboardOptions(host=host, token=TOKEN))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_this_machine_none_is(host: str) -> None:
    assert DashboardOptions(host=host).token is None


def test_every_answer_is_marked(fleet: Site) -> None:
    for path in ("/tonight", "/jobs.json", "/nowhere", "/static/dashboard.css", "/healthz"):
        headers = fleet.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


def test_names_that_others_point_here_are_refused(fleet: Site) -> None:
    assert fleet.get("/tonight", Host="evil.example").status == 421
    assert fleet.get("/tonight", Host="localhost:1").status == 200


def test_without_the_token_there_is_a_form_and_nothing_else(guarded: Site) -> None:
    answer = guarded.get("/jobs?state=done")
    assert answer.status == 303
    assert answer.headers["location"] == "/login?to=%2Fjobs%3Fstate%3Ddone"
    assert guarded.get("/jobs.json").status == 401
    assert guarded.get("/openapi.json", Accept="*/*").status == 401
    assert guarded.get("/tonight.live", Accept="text/event-stream").status == 401
    assert 'name="token"' in guarded.get("/login").text
    assert guarded.get("/healthz").json == {"status": "ok"}


def test_the_token_opens(guarded: Site) -> None:
    assert guarded.get("/jobs.json", Authorization=f"Bearer {TOKEN}").status == 200
    assert guarded.get("/jobs.json", Authorization="Bearer wrong").status == 401
    assert enter(guarded, "wrong").status == 401
    answer = enter(guarded, TOKEN)
    assert (answer.status, answer.headers["location"]) == (303, "/jobs")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert guarded.get("/jobs", Cookie=cookie.partition(";")[0]).status == 200


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_the_form_leads_nowhere_else(guarded: Site, to: str) -> None:
    assert enter(guarded, TOKEN, to).headers["location"] == "/"


def test_nothing_can_be_written(fleet: Site) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert fleet.ask(method, "/jobs", "x", {}).status == 405
