"""The roofline model: speed over intensity, under what the core can compute and read.

Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dashboards.charts.frame import FRAME, Frame, axes
from dashboards.charts.scales import logarithmic
from dashboards.charts.svg import join, path, picture, tag, text
from dashboards.text import number

_PREFIX = "read_gbs_"


@dataclass(frozen=True, slots=True)
class Roof:
    """What a core can do."""

    #: GFLOP/s.
    peak: float
    #: GB/s by the size of the data that are read, e.g. ``256KiB``; fast ones first.
    rates: Mapping[str, float]

    @classmethod
    def of(cls, calibration: Mapping[str, float]) -> Roof | None:
        """The roof of a calibration; ``None`` if it has none."""
        peak = calibration.get("fma_gflops")
        rates = {
            k.removeprefix(_PREFIX): v for k, v in calibration.items() if k.startswith(_PREFIX)
        }
        if not peak or not rates:
            return None
        return cls(peak, dict(sorted(rates.items(), key=lambda pair: -pair[1])))


@dataclass(frozen=True, slots=True)
class RoofPoint:
    """A kernel."""

    name: str
    #: Operations per byte.
    intensity: float
    #: GFLOP/s that it reached.
    gflops: float


def roofline_chart(
    roof: Roof, points: Sequence[RoofPoint], label: str, frame: Frame = FRAME
) -> Markup:
    """Draw kernels under their roof, on logarithmic axes."""
    ridges = [roof.peak / rate for rate in roof.rates.values()]
    spread = [*ridges, *(p.intensity for p in points)]
    x = logarithmic([min(spread) / 2, max(spread) * 2], *frame.x)
    slowest = min(roof.rates.values()) * x.low
    y = logarithmic([roof.peak * 1.3, *(p.gflops for p in points), slowest], *frame.y)
    parts, names = [], []
    below = -math.inf
    for name, rate in roof.rates.items():
        ridge = roof.peak / rate
        start = max(x.low, y.low / rate)
        line = [(start, rate * start), (ridge, roof.peak), (x.high, roof.peak)]
        parts.append(tag("path", d=path((x(a), y(b)) for a, b in line), class_="roof"))
        # Names of caches that are almost as fast are written below one another.
        below = max(y(rate * start) - 4, below + 15)
        names.append(text(x(start) + 4, below, f"{name} {rate:.0f} GB/s", class_="tick halo"))
    parts.append(
        text(
            frame.x[1] - 4,
            y(roof.peak) - 5,
            f"{roof.peak:.0f} GFLOP/s",
            class_="tick",
            anchor="end",
        )
    )
    below = -math.inf
    for index, point in enumerate(points):
        px, py = x(point.intensity), y(point.gflops)
        # Names of points that lie on one another are written below one another.
        below = max(py + 4, below + 16)
        parts.append(tag("circle", cx=px, cy=py, r=5, class_=f"s{index} dot"))
        names.append(text(px + 9, below, point.name, class_="label halo"))
    return picture(
        frame.width,
        frame.height,
        label,
        axes(
            frame,
            x,
            y,
            x_label="operations per byte",
            y_label="GFLOP/s",
            x_text=number,
            y_text=number,
        ),
        # Names stand before all lines.
        join(parts),
        join(names),
    )
