"""Pages and their sections as HTML."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from dashboards import assets
from dashboards.pages import NAVIGATION, Context, Page
from dashboards.pages.base import FRESH_S
from dashboards.text import FILTERS

TEMPLATES = Path(__file__).parent / "templates"


class Renderer:
    """Fills templates; everything from the database is escaped.

    Parameters
    ----------
    name
        Of the database, as pages show it.
    """

    def __init__(self, name: str) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(FILTERS)
        macros: Any = self._environment.get_template("macros.html").module
        self._environment.globals.update(
            m=macros, database=name, navigation=NAVIGATION, asset=assets.address
        )

    def page(self, page: Page[Any, Any], params: Any, data: Any, *, live: str, twin: str) -> str:
        """A page; `live` and `twin` are the addresses of its updates and of its JSON."""
        template = self._environment.get_template(f"{page.name}.html")
        return template.render(**_values(page, params, data), live=live, twin=twin)

    def sections(self, page: Page[Any, Any], params: Any, data: Any) -> dict[str, str]:
        """The live sections of a page, by name."""
        template = self._environment.get_template(f"{page.name}.html")
        context = template.new_context(_values(page, params, data))
        return {name: "".join(template.blocks[name](context)) for name in page.live}

    def report(self, **values: Any) -> str:
        """A night as one file: its style is inside, and nothing else is let in."""
        style = (assets.STATIC / "dashboard.css").read_text()
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        template = self._environment.get_template("report.html")
        return template.render(style=Markup(style), digest=digest, **values)

    def plain(self, name: str, **values: Any) -> str:
        """A template that shows no page: an error, a form."""
        return self._environment.get_template(name).render(page=None, live="", **values)


def read_page(context: Context, page: Page[Any, Any], params: Any) -> Any:
    """Data of a page; read once for all who ask within a second."""
    return context.cache.get((page.name, params), FRESH_S, lambda: page.read(context, params))


def _values(page: Page[Any, Any], params: Any, data: Any) -> dict[str, Any]:
    return {"page": page, "params": params, "data": data, **page.draw(data, params)}
