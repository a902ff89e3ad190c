"""What charts with two axes share: the place for the data, the axes, the legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dashboards.charts.scales import Scale
from dashboards.charts.svg import join, tag, text

#: Width of a character of a label, about, where labels are largest: on a narrow screen.
CHARACTER = 8.6


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the data are drawn, within a picture."""

    width: float = 640.0
    height: float = 240.0
    left: float = 62.0
    right: float = 12.0
    top: float = 26.0
    bottom: float = 38.0

    @property
    def x(self) -> tuple[float, float]:
        """Left and right end of the data."""
        return self.left, self.width - self.right

    @property
    def y(self) -> tuple[float, float]:
        """Lower and upper end of the data."""
        return self.height - self.bottom, self.top


#: The place that most charts have.
FRAME = Frame()


def axes(
    frame: Frame,
    x: Scale,
    y: Scale,
    *,
    x_label: str,
    y_label: str,
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
    x_ticks: Sequence[float] | None = None,
) -> Markup:
    """Grid, ticks and labels."""
    (left, right), (low, high) = frame.x, frame.y
    parts = []
    for value in y.ticks(5):
        at = y(value)
        parts.append(tag("path", d=f"M{left:g} {at:.1f}H{right:g}", class_="grid"))
        parts.append(text(left - 6, at + 4, y_text(value), class_="tick", anchor="end"))
    for value in x.ticks(7) if x_ticks is None else x_ticks:
        at = x(value)
        parts.append(tag("path", d=f"M{at:.1f} {low:g}v4", class_="axis"))
        parts.append(text(at, low + 16, x_text(value), class_="tick", anchor="middle"))
    parts.append(tag("path", d=f"M{left:g} {high:g}V{low:g}H{right:g}", class_="axis"))
    parts.append(
        text((left + right) / 2, frame.height - 4, x_label, class_="label", anchor="middle")
    )
    parts.append(text(4, 12, y_label, class_="label"))
    return join(parts)


def legend(frame: Frame, entries: Sequence[tuple[str, str]]) -> Markup:
    """Names of series, right above the data; each a class and a name."""
    parts = []
    at = frame.width - frame.right
    for class_, name in reversed(entries):
        at -= CHARACTER * len(name)
        parts.append(text(at, 12, name, class_="label"))
        at -= 14
        parts.append(tag("rect", x=at, y=4, width=9, height=9, rx=2, class_=f"{class_} key"))
        at -= 12
    return join(parts)
