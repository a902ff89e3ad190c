"""Numbers and moments as people read them; the filters of the templates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime

#: What stands where there is no number.
NOTHING = "\N{EN DASH}"
_TIMES = "\N{MULTIPLICATION SIGN}"

#: Axes of less than so many seconds would show the same minute twice.
_EXACT_S = 900.0


def latency(secs: float | None) -> str:
    """Three digits and a unit: ``41.2 µs``, ``1.03 ms``."""
    if secs is None:
        return NOTHING
    if secs == 0.0:
        return "0 s"
    for unit, scale in (("ns", 1e9), ("µs", 1e6), ("ms", 1e3)):
        value = secs * scale
        if value < 999.5:
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    return f"{secs:.2f} s"


def duration(secs: float | None) -> str:
    """The two largest units: ``45 s``, ``2 min 5 s``, ``1 h 20 min``, ``3 d 4 h``."""
    if secs is None:
        return NOTHING
    left = max(0, round(secs))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number or (unit == "s" and not parts):
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])


def gain(times: float | None) -> str:
    """How many times faster: ``1.83x``, with a real multiplication sign."""
    return NOTHING if times is None else f"{times:.2f}{_TIMES}"


def percent(share: float | None) -> str:
    """A share of one: ``37 %``."""
    return NOTHING if share is None else f"{share * 100:.0f} %"


def count(number: float | None) -> str:
    """Thousands apart: ``12 345``."""
    return NOTHING if number is None else f"{number:,.0f}".replace(",", "\u202f")


def rate(per_second: float | None) -> str:
    """Something per second."""
    return NOTHING if per_second is None else f"{per_second:.1f}"


def number(value: float | None) -> str:
    """Three digits, with a prefix where there are more: ``118``, ``1.2 M``."""
    if value is None:
        return NOTHING
    for size, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.3g}"


def day_time(at: datetime | None) -> str:
    """A moment in UTC: ``2026-11-23 06:42:44``."""
    return NOTHING if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def clock_time(at: datetime | None, span_s: float = math.inf) -> str:
    """The time of day of a moment in UTC: ``06:42``; ``06:42:44`` on an axis of a few minutes."""
    if at is None:
        return NOTHING
    return f"{at:%H:%M:%S}" if span_s < _EXACT_S else f"{at:%H:%M}"


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago a moment was."""
    if at is None:
        return NOTHING
    secs = (now - at).total_seconds()
    return "now" if secs < 1.0 else f"{duration(secs)} ago"


def plural(number: int, thing: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{count(number)} {thing}" if number == 1 else f"{count(number)} {thing}s"


FILTERS: Mapping[str, Callable[..., str]] = {
    f.__name__: f
    for f in (
        latency,
        duration,
        gain,
        percent,
        count,
        rate,
        number,
        day_time,
        clock_time,
        ago,
        plural,
    )
}
