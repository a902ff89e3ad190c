"""Lines over an axis: series of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dashboards.charts.frame import FRAME, Frame, axes, legend
from dashboards.charts.scales import linear, logarithmic
from dashboards.charts.svg import join, path, picture, tag
from dashboards.text import number


@dataclass(frozen=True, slots=True)
class Series:
    """One line."""

    name: str
    points: Sequence[tuple[float, float]]
    #: Whether the value holds until the next one, as a best so far does.
    steps: bool = False
    #: Whether every point is marked.
    dots: bool = False


def line_chart(
    series: Sequence[Series],
    label: str,
    *,
    x_label: str,
    y_label: str,
    x_text: Callable[[float], str] = number,
    y_text: Callable[[float], str] = number,
    x_log: bool = False,
    y_log: bool = False,
    x_ticks: Sequence[float] | None = None,
    x_whole: bool = False,
    frame: Frame = FRAME,
) -> Markup:
    """Lines with axes and a legend.

    Parameters
    ----------
    label
        What it shows, for those who do not see it.
    x_whole
        Whether there is nothing between whole numbers, as with candidates.
    """
    xs = [x for one in series for x, _ in one.points]
    ys = [y for one in series for _, y in one.points]
    x = logarithmic(xs, *frame.x) if x_log else linear(xs, *frame.x, zero=False)
    y = logarithmic(ys, *frame.y) if y_log else linear(ys, *frame.y)
    if not x_log and xs and max(xs) > min(xs):
        # The data fill the width: nobody reads a time off a round number of seconds.
        x = type(x)(min(xs), max(xs), x.start, x.end)
    if x_whole:
        x_ticks = [at for at in x.ticks(7) if at.is_integer()]
    drawn = []
    for index, one in enumerate(series):
        places = [(x(px), y(py)) for px, py in one.points]
        line = _stairs(places) if one.steps else places
        drawn.append(tag("path", d=path(line), class_=f"line s{index}"))
        if one.dots:
            drawn.extend(
                tag("circle", cx=px, cy=py, r=3, class_=f"s{index} dot") for px, py in places
            )
    return picture(
        frame.width,
        frame.height,
        label,
        axes(
            frame,
            x,
            y,
            x_label=x_label,
            y_label=y_label,
            x_text=x_text,
            y_text=y_text,
            x_ticks=x_ticks,
        ),
        join(drawn),
        legend(frame, [(f"s{i}", one.name) for i, one in enumerate(series)]),
    )


def sparkline(
    values: Sequence[float], label: str, width: float = 96.0, height: float = 20.0
) -> Markup:
    """A line without axes, from zero to its largest value."""
    if len(values) < 2:
        return Markup("")
    y = linear(values, height - 2, 2)
    step = width / (len(values) - 1)
    line = path((i * step, y(value)) for i, value in enumerate(values))
    return picture(width, height, label, tag("path", d=line, class_="line s0"), class_="spark")


def _stairs(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for x, y in points:
        if found:
            found.append((x, found[-1][1]))
        found.append((x, y))
    return found
