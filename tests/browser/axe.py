"""What axe-core finds on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_SOURCE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()


class Axe:
    """axe-core in a world of its own beside a page: the page's policy lets nothing in.

    Of the document that is open when it is made; make another one after going elsewhere.
    """

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        frame = self._session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
        named = {"frameId": frame, "worldName": "axe"}
        world = self._session.send("Page.createIsolatedWorld", named)
        self._world = world["executionContextId"]
        self._evaluate(f"{_SOURCE}; undefined")

    def violations(self) -> list[str]:
        """Each rule that is broken, and by what."""
        result = self._evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert len(result["passes"]) > 5
        return [
            f"{v['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
            for v in result["violations"]
            for node in v["nodes"][:3]
        ]

    def _evaluate(self, expression: str) -> Any:
        found = self._session.send(
            "Runtime.evaluate",
            {
                "expression": expression,
                "contextId": self._world,
                "returnByValue": True,
                "awaitPromise": True,
            },
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")
