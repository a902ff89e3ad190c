"""Every page in a real browser: sizes, themes, accessibility, filters, keyboard, no script."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watched
from tests.site import Site

AXE = Path(__file__).parent / "vendor" / "axe.min.js"

PAGES = (
    "/tonight",
    "/coverage",
    "/workloads/{workload}",
    "/models",
    "/models/ads-0",
    "/nights",
    "/nights/3",
    "/compare?before=1&after=3",
    "/workers",
    "/errors",
    "/errors/{signature}",
    "/jobs",
    "/jobs/1",
)
Theme = Literal["light", "dark"]


@cache
def names(base: str) -> dict[str, str]:
    site = Site(base)
    rows = site.get("/coverage.json").json["rows"]
    cell = next(c for row in rows for c in row["cells"] if c["tuned"])
    errors = site.get("/errors.json").json["groups"]
    return {"workload": cell["workload"], "signature": errors[0]["signature"]}


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
@pytest.mark.parametrize("path", PAGES)
def test_a_page(
    browser: Browser, fleet: Site, watched: Watched, path: str, width: int, theme: Theme
) -> None:
    viewport = {"width": width, "height": 900}
    with browser.new_context(viewport=viewport, color_scheme=theme) as context:  # type: ignore[arg-type]
        page = watched.watch(context.new_page())
        page.goto(fleet.base + path.format(**names(fleet.base)))
        expect(page.locator("h1")).to_be_visible()
        if page.locator("body[sse-connect]").count():
            expect(page.locator("#connection")).to_have_text("live")
        # The page itself does not scroll sideways: what is wide scrolls in its own frame.
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert violations(page) == []
    assert watched.complaints == []
    assert [url for url in watched.asked if not url.startswith((fleet.base, "data:"))] == []


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1440, "dark")])
def test_the_other_way_round(
    browser: Browser, fleet: Site, watched: Watched, width: int, theme: Theme
) -> None:
    viewport = {"width": width, "height": 900}
    with browser.new_context(viewport=viewport, color_scheme=theme) as context:  # type: ignore[arg-type]
        page = watched.watch(context.new_page())
        for path in PAGES:
            page.goto(fleet.base + path.format(**names(fleet.base)))
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.goto(fleet.base + "/tonight")
        assert violations(page) == []
    assert watched.complaints == []


def violations(page: Page) -> list[str]:
    """What axe-core finds, run in a world of its own: the page's policy lets nothing in."""
    session = page.context.new_cdp_session(page)
    frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    world = session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe"})
    where = {"contextId": world["executionContextId"], "returnByValue": True, "awaitPromise": True}
    session.send("Runtime.evaluate", {"expression": AXE.read_text(), **where})
    run = "axe.run(document, {resultTypes: ['violations']})"
    found: Any = session.send("Runtime.evaluate", {"expression": run, **where})
    assert "exceptionDetails" not in found, found
    result = found["result"]["value"]
    assert len(result["passes"]) > 5
    return [
        f"{v['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for v in result["violations"]
        for node in v["nodes"][:3]
    ]


def test_filters(page: Page, fleet: Site) -> None:
    page.goto(fleet.base + "/jobs")
    page.get_by_label("state").select_option("failed")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(fleet.base + "/jobs?state=failed&sort=id&order=desc")
    badges = page.locator("tbody .badge")
    expect(badges.first).to_be_visible()
    assert set(badges.all_inner_texts()) == {"failed"}
    page.get_by_role("link", name="bucket").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("bucket")
    page.goto(fleet.base + "/coverage")
    page.get_by_label("only").select_option("untuned")
    page.get_by_role("button", name="Apply").click()
    assert set(page.locator(".heatmap a text").all_text_contents()) == {"·"}


def test_the_keyboard_is_enough(page: Page, fleet: Site) -> None:
    page.goto(fleet.base + "/tonight")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.goto(fleet.base + "/coverage")
    page.locator(".heatmap a").first.focus()
    shown = page.evaluate("getComputedStyle(document.activeElement.firstChild).strokeWidth")
    assert shown == "2px"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Fastest candidates")).to_be_visible()
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details[open] pre.diff")).to_be_visible()
    page.goto(fleet.base + "/nights")
    page.locator("input[name=before]").last.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Compare the two").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("From night 1 to night 3")


def test_without_a_script(browser: Browser, fleet: Site) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(fleet.base + "/tonight")
        expect(page.locator("figure.chart svg").first).to_be_visible()
        for path in PAGES:
            page.goto(fleet.base + path.format(**names(fleet.base)))
            assert page.locator("main table, main svg").count() > 0, path
        page.goto(fleet.base + "/jobs")
        page.get_by_label("state").select_option("done")
        page.get_by_role("button", name="Apply").click()
        assert set(page.locator("tbody .badge").all_inner_texts()) == {"done"}
