"""Charts as inline SVG, drawn on the server: they need no script, and escape what they are told."""

from dashboards.charts.heat import Heat, heat_map, heat_row
from dashboards.charts.lines import Series, line_chart, sparkline
from dashboards.charts.roofline import Roof, RoofPoint, roofline_chart
from dashboards.charts.strips import Strip, strip_chart
from dashboards.charts.timeline import Lane, timeline_chart

__all__ = [
    "Heat",
    "Lane",
    "Roof",
    "RoofPoint",
    "Series",
    "Strip",
    "heat_map",
    "heat_row",
    "line_chart",
    "roofline_chart",
    "sparkline",
    "strip_chart",
    "timeline_chart",
]
