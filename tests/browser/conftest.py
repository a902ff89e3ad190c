"""A browser for the tests of a file, and a dashboard over the small fleet with hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from dashboards.options import DashboardOptions
from db import Store, open_store
from db.store._sql import SqlStore
from db.testing.fleet import SMALL, fill_fleet
from tests.browser.chromium import chromium
from tests.site import OPTIONS, PATIENCE_S, Site, serving

#: Milliseconds that a page may take to show what is expected of it.
PATIENCE_MS = 1e3 * PATIENCE_S
# Five seconds without.
expect.set_options(timeout=PATIENCE_MS)


# Not for the whole session: its event loop runs in this thread until it is closed, and no test
# after it in this process could run one of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Containers have no user namespaces for a sandbox; every page here is our own.
        opened = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def fleet_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "tunefleet.db"
    with open_store(str(path)) as store:
        assert isinstance(store, SqlStore)
        fill_fleet(store, store.database, SMALL)
    return path


@pytest.fixture(scope="session")
def fleet(fleet_path: Path) -> Iterator[Site]:
    # What is written is seen as soon as it is wherever nobody chose otherwise.
    options = replace(OPTIONS, tick_s=DashboardOptions().tick_s)
    with serving(str(fleet_path), options) as site:
        yield site


@pytest.fixture
def writer(fleet_path: Path) -> Iterator[Store]:
    with open_store(str(fleet_path)) as store:
        yield store


@dataclass
class Watched:
    """What a page said and asked for while it was open."""

    complaints: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def forget(self) -> None:
        """Begin anew, for another test."""
        self.complaints.clear()
        self.asked.clear()

    def outside(self, site: Site) -> list[str]:
        """What was asked of somebody else."""
        return [url for url in self.asked if not url.startswith((site.base, "data:"))]

    def watch(self, page: Page) -> Page:
        """Listen to a page."""

        def said(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.complaints.append(f"{message.type}: {message.text}")

        page.on("console", said)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("request", lambda request: self.asked.add(request.url))
        page.set_default_timeout(PATIENCE_MS)
        return page


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context() as opened:
        yield opened


@pytest.fixture
def page(context: BrowserContext, watched: Watched, fleet: Site) -> Iterator[Page]:
    """A page that complained about nothing and asked nobody else for anything."""
    opened = watched.watch(context.new_page())
    yield opened
    assert watched.complaints == []
    assert watched.outside(fleet) == []
