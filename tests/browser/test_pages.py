"""Every page in a real browser: sizes, themes, accessibility, filters, keyboard, no script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.testing import ADDRESSES
from tests.browser.axe import Axe
from tests.browser.conftest import PATIENCE_MS, Watched
from tests.site import Site

WIDTHS = (1440, 390)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture(scope="module")
def screen(browser: Browser) -> Iterator[tuple[Page, Watched]]:
    """A tab that many tests use one after the other, and what is said in it."""
    watched = Watched()
    with browser.new_context() as context:
        yield watched.watch(context.new_page()), watched


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_page_in_every_width_and_theme(
    screen: tuple[Page, Watched], fleet: Site, path: str
) -> None:
    page, watched = screen
    watched.forget()
    page.goto(fleet.base + fleet.named(path))
    expect(page.locator("h1")).to_be_visible()
    if page.locator("body[sse-connect]").count():
        expect(page.locator("#connection")).to_have_text("live")
    axe = Axe(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            # The page itself does not scroll sideways: what is wide scrolls in its own frame.
            assert page.evaluate("document.documentElement.scrollWidth") <= width, theme
            assert axe.violations() == [], (width, theme)
    assert watched.complaints == []
    assert watched.outside(fleet) == []


def test_filters(page: Page, fleet: Site) -> None:
    page.goto(fleet.base + "/jobs")
    page.get_by_label("state").select_option("failed")
    with page.expect_navigation():
        page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(fleet.base + "/jobs?state=failed&sort=id&order=desc")
    badges = page.locator("tbody .badge")
    expect(badges.first).to_be_visible()
    assert set(badges.all_inner_texts()) == {"failed"}
    page.get_by_role("link", name="bucket").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("bucket")
    page.goto(fleet.base + "/coverage")
    page.get_by_label("only").select_option("untuned")
    with page.expect_navigation():
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
        page.set_default_timeout(PATIENCE_MS)
        page.goto(fleet.base + "/tonight")
        expect(page.locator("figure.chart svg").first).to_be_visible()
        for path in ADDRESSES:
            page.goto(fleet.base + fleet.named(path))
            assert page.locator("main table, main svg").count() > 0, path
        page.goto(fleet.base + "/jobs")
        page.get_by_label("state").select_option("done")
        with page.expect_navigation():
            page.get_by_role("button", name="Apply").click()
        assert set(page.locator("tbody .badge").all_inner_texts()) == {"done"}
