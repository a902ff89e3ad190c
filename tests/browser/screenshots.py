"""Takes the pictures of docs/dashboard.md: ``python -m tests.browser.screenshots DATABASE``.

The ones in the repository show the campaign of ``tunefleet demo``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.chromium import chromium
from tests.site import Site, serving

FOLDER = Path(__file__).parents[2] / "docs" / "dashboard"

#: Name -> page, width, theme.
PICTURES = {
    "tonight": ("/tonight", 1440, "light"),
    "tonight-narrow-dark": ("/tonight", 390, "dark"),
    "coverage": ("/coverage", 1440, "light"),
    "workload": ("/workloads/{workload}", 1440, "light"),
    "workload-dark": ("/workloads/{workload}", 1440, "dark"),
    "model": ("/models/{model}", 1440, "light"),
    "nights": ("/nights", 1440, "light"),
    "night": ("/nights/1", 1440, "light"),
    "workers": ("/workers", 1440, "dark"),
    "errors": ("/errors", 1440, "light"),
    "jobs": ("/jobs", 1440, "light"),
    "job": ("/jobs/1", 1440, "light"),
}


def main() -> None:
    """Take them."""
    (database,) = sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    with serving(database) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        names = _names(site)
        for name, (path, width, theme) in PICTURES.items():
            viewport = {"width": width, "height": 800}
            with browser.new_context(viewport=viewport, color_scheme=theme) as context:  # type: ignore[arg-type]
                page = context.new_page()
                page.goto(site.base + path.format(**names))
                page.wait_for_selector(
                    "#connection.on, #connection[data-live=no]", state="attached"
                )
                page.screenshot(path=FOLDER / f"{name}.png", full_page=True)
        browser.close()


def _names(site: Site) -> dict[str, str]:
    """The model, and the most varied of its dense workloads."""
    rows = site.get("/coverage.json").json["rows"]
    cells = [c for row in rows if row["op_kind"] == "dense" for c in row["cells"] if c["tuned"]]
    best = max(cells, key=lambda cell: cell["speedup"] or 0.0)
    model = site.get("/models.json").json["models"][0]["model"]
    return {"workload": best["workload"], "model": model}


if __name__ == "__main__":
    main()
