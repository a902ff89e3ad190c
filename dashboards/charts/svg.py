"""Elements of SVG; every text and attribute is escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def tag(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """An element; ``class_`` is ``class``, other underscores are hyphens, ``None`` is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_plain(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def join(parts: Iterable[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("").join(parts)


def picture(width: float, height: float, label: str, *children: str, class_: str = "") -> Markup:
    """A picture that scales with its place and says what it shows."""
    return tag(
        "svg",
        *children,
        viewBox=f"0 0 {_plain(width)} {_plain(height)}",
        class_=f"picture {class_}".strip(),
        role="img",
        aria_label=label,
    )


def text(x: float, y: float, *children: str, class_: str = "", anchor: str = "start") -> Markup:
    """A text at a place."""
    where = None if anchor == "start" else anchor
    return tag("text", *children, x=x, y=y, class_=class_ or None, text_anchor=where)


def path(points: Iterable[tuple[float, float]]) -> str:
    """A line through points, as the attribute ``d``."""
    steps = [f"{_plain(x)} {_plain(y)}" for x, y in points]
    return "M" + "L".join(steps) if steps else ""


def _plain(value: str | float) -> str:
    if isinstance(value, str):
        return str(escape(value))
    return f"{value:.1f}".removesuffix(".0")
