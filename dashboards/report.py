"""One night as a single file that opens anywhere: no script, no link, nothing to fetch."""

from __future__ import annotations

from dashboards.pages import Context
from dashboards.pages.gains import latest_gains
from dashboards.pages.nights import NightParams, read_night
from dashboards.render import Renderer
from dashboards.source import Source
from db.views.kernels import traffic


def html_report(source: Source, campaign: int) -> str:
    """The report of a campaign; of one that still runs, how it goes.

    Raises
    ------
    db.NotFound
        If there is no such campaign.
    """
    context = Context(source)
    data = read_night(context, NightParams(campaign))
    gains = latest_gains(context, source.read(traffic))
    return Renderer(source.name).report(data=data, gains=gains, at=source.store.now())
