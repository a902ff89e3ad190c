"""What is drawn before anybody asks."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from dashboards.pages import NAVIGATION, PAGES, Context
from dashboards.render import Renderer
from dashboards.source import Source
from dashboards.warm import examples, warm
from db import Store


def test_every_page_is_drawn_with_what_is_there(fleet_url: str) -> None:
    with closing(Source(fleet_url)) as source:
        context = Context(source)
        assert {page.name for page, _ in examples(context)} == {page.name for page in PAGES}
        warm(context, Renderer("fleet"))


def test_of_an_empty_database_what_the_navigation_leads_to(store: Store, url: str) -> None:
    with closing(Source(url)) as source:
        context = Context(source)
        assert [page for page, _ in examples(context)] == list(NAVIGATION)
        warm(context, Renderer("empty"))


def test_a_database_that_is_away_is_told_to_those_who_ask(tmp_path: Path) -> None:
    with closing(Source(f"sqlite:///{tmp_path}/nothing.db")) as source:
        warm(Context(source), Renderer("nothing"))
