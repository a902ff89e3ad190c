"""Numbers as people read them."""

from __future__ import annotations


def latency(secs: float | None) -> str:
    """Three digits and a unit: ``41.2 µs``, ``1.03 ms``."""
    if secs is None:
        return "-"
    for unit, scale in (("µs", 1e6), ("ms", 1e3)):
        value = secs * scale
        if value < 999.5:
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    return f"{secs:.2f} s"


def duration(secs: float | None) -> str:
    """Minutes and seconds, with hours in front if there are any: ``2:05``, ``1:02:05``."""
    if secs is None:
        return "?"
    minutes, seconds = divmod(round(secs), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def gain(times: float | None) -> str:
    """How many times faster: ``1.83x``."""
    return "-" if times is None else f"{times:.2f}x"


def rate(per_second: float) -> str:
    """Candidates per second."""
    return f"{per_second:.1f}" if per_second > 0 else "-"


def counted(count: int, thing: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def brief(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: max(1, width - 1)]}…"
