"""How single measurements scatter: one strip per record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dashboards.charts.scales import linear
from dashboards.charts.svg import join, picture, tag, text
from dashboards.text import latency

_LEFT, _RIGHT, _ROW, _WIDTH = 44.0, 16.0, 26.0, 640.0


@dataclass(frozen=True, slots=True)
class Strip:
    """The repeats of one measurement."""

    name: str
    #: Seconds per call, one per repeat.
    secs: Sequence[float]
    #: Their median.
    median: float


def strip_chart(strips: Sequence[Strip], label: str) -> Markup:
    """Draw the repeats of each record on a common axis."""
    values = [secs for strip in strips for secs in strip.secs]
    x = linear(values, _LEFT, _WIDTH - _RIGHT, zero=False)
    height = 8 + _ROW * len(strips) + 24
    parts = []
    for value in x.ticks(6):
        parts.append(tag("path", d=f"M{x(value):.1f} 4V{height - 20:g}", class_="grid"))
        parts.append(text(x(value), height - 6, latency(value), class_="tick", anchor="middle"))
    for number, strip in enumerate(strips):
        y = 8 + _ROW * (number + 0.5)
        parts.append(text(_LEFT - 8, y + 4, strip.name, class_="label", anchor="end"))
        parts.append(
            tag(
                "path",
                d=f"M{x(min(strip.secs)):.1f} {y:g}H{x(max(strip.secs)):.1f}",
                class_="range",
            )
        )
        parts.extend(tag("circle", cx=x(secs), cy=y, r=3.5, class_="s0 dot") for secs in strip.secs)
        parts.append(tag("path", d=f"M{x(strip.median):.1f} {y - 8:g}v16", class_="median"))
    return picture(_WIDTH, height, label, join(parts), class_="strips")
