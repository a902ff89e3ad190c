"""Charts as inline SVG, drawn on the server: they need no script, and escape what they are told."""

from dashboards.charts.heat import Heat, HeatRow, heat_map
from dashboards.charts.lines import Series, line_chart, sparkline
from dashboards.charts.roofline import Roof, RoofPoint, roofline_chart
from dashboards.charts.strips import Strip, strip_chart
from dashboards.charts.timeline import Lane, timeline_chart

__all__ = [
    "Heat",
    "HeatRow",
    "Lane",
    "Roof",
    "RoofPoint",
    "Series",
    "Strip",
    "heat_map",
    "line_chart",
    "roofline_chart",
    "sparkline",
    "strip_chart",
    "timeline_chart",
]
