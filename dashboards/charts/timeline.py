"""What slots did over time: one lane each, cut into pieces."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dashboards.charts.svg import join, picture, tag, text

_LEFT, _ROW, _BAR, _WIDTH = 110.0, 26.0, 18.0, 1376.0


@dataclass(frozen=True, slots=True)
class Lane:
    """One slot."""

    name: str
    #: Of each piece: share of its time in which the core measured and in which it built, 0 to 1;
    #: ``None`` where it did not serve.
    pieces: Sequence[tuple[float, float] | None]
    #: Places, 0 to 1, where a job was lost.
    lost: Sequence[float] = ()
    #: Place, 0 to 1, from which on it was silent without having left; ``None`` if it was not.
    silent_from: float | None = None


def timeline_chart(
    lanes: Sequence[Lane], label: str, x_text: Callable[[float], str], ticks: int = 6
) -> Markup:
    """Draw lanes; the larger part of each bar measures, the thin one below it builds."""
    span = _WIDTH - _LEFT - 8
    height = 6 + _ROW * len(lanes) + 22
    parts = []
    for index in range(ticks + 1):
        x = _LEFT + span * index / ticks
        anchor = "start" if index == 0 else "end" if index == ticks else "middle"
        parts.append(tag("path", d=f"M{x:.1f} 2V{height - 18:g}", class_="grid"))
        parts.append(text(x, height - 5, x_text(index / ticks), class_="tick", anchor=anchor))
    for number, lane in enumerate(lanes):
        y = 6 + _ROW * number
        parts.append(text(_LEFT - 8, y + 13, lane.name, class_="label", anchor="end"))
        parts.append(_lane(lane, y, span))
    return picture(_WIDTH, height, label, join(parts), class_="timeline")


def _lane(lane: Lane, y: float, span: float) -> Markup:
    width = span / max(1, len(lane.pieces))
    # There are thousands of pieces: written as short as they can be.
    back = f"h-{width:.1f}z"
    idle, busy, built = [], [], []
    for first, number in _served(lane.pieces):
        wide = f"{width * number:.1f}"
        idle.append(f"M{_LEFT + first * width:.1f} {y:g}h{wide}v{_BAR:g}h-{wide}z")
    for index, piece in enumerate(lane.pieces):
        measured, build = piece or (0.0, 0.0)
        left = f"M{_LEFT + index * width:.1f}"
        if measured > 0:
            # Measuring fills from above, so that idleness shows as a gap over the building.
            tall = (_BAR - 5) * min(1.0, measured)
            busy.append(f"{left} {y:g}h{width:.1f}v{tall:.1f}{back}")
        if build > 0:
            tall = 5 * min(1.0, build)
            built.append(f"{left} {y + _BAR:g}h{width:.1f}v-{tall:.1f}{back}")
    parts = [
        tag("path", d="".join(d), class_=class_)
        for d, class_ in ((idle, "idle"), (busy, "measure"), (built, "build"))
        if d
    ]
    if lane.silent_from is not None:
        x = _LEFT + span * lane.silent_from
        rest = _LEFT + span - x
        parts.append(tag("rect", x=x, y=y, width=rest, height=_BAR, class_="lost"))
    for place in lane.lost:
        x = _LEFT + span * place
        parts.append(tag("path", d=f"M{x - 4:.1f} {y + 4:g}l8 10m0 -10l-8 10", class_="loss"))
    return join(parts)


def _served(pieces: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Runs of pieces in which a slot served: the first of each, and how many there are."""
    at = 0
    for there, run in itertools.groupby(pieces, key=lambda piece: piece is not None):
        number = len(list(run))
        if there:
            yield at, number
        at += number
