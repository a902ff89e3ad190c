"""A heat map: one row per workload, one cell per architecture and bucket, each a link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape

#: Shades, from the least to the most.
SHADES = 7
CELL, ROW, HEAD = 34, 20, 40


@dataclass(slots=True)
class Heat:
    """One cell; not frozen, because there are thousands."""

    #: Where it leads; an address without quotes and spaces.
    href: str
    #: What is written in it.
    text: str
    #: Shade from 0 to 6; ``None`` if it is untuned.
    shade: int | None
    #: Whether its record is stale.
    stale: bool = False


def heat_map(
    groups: Sequence[tuple[str, Sequence[str]]], rows: Sequence[Markup], label: str
) -> Markup:
    """Draw it.

    Parameters
    ----------
    groups
        Architectures, and the names of the columns of each.
    rows
        As of `heat_row`, in order.
    label
        What it shows, for those who do not see it.
    """
    columns = sum(len(names) for _, names in groups)
    width, height = columns * CELL, HEAD + len(rows) * ROW
    # Thousands of cells: written without helpers, and the style sheet knows their size.
    parts = [
        f'<svg class="heat" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="group" aria-label="{escape(label)}">'
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<path d="M0 6L6 0" class="hatch"/></pattern></defs>'
    ]
    at = 0
    for arch, names in groups:
        parts.append(f'<text x="{at + 2}" y="12" class="head">{escape(arch)}</text>')
        for index, name in enumerate(names):
            x = at + index * CELL + CELL // 2
            parts.append(f'<text x="{x}" y="32" class="col">{escape(name)}</text>')
        if at:
            parts.append(f'<path d="M{at - 0.5} 0V{height}" class="rule"/>')
        at += len(names) * CELL
    for number, row in enumerate(rows):
        parts.append(f'<g transform="translate(0 {HEAD + number * ROW})">{row}</g>')
    parts.append("</svg>")
    return Markup("".join(parts))


def heat_row(cells: Sequence[Heat | None]) -> Markup:
    """One row; ``None`` where the workload does not occur."""
    return Markup("".join(_cell(index, cell) for index, cell in enumerate(cells) if cell))


def _cell(index: int, cell: Heat) -> str:
    x = index * CELL
    shade = "un" if cell.shade is None else f"h{cell.shade}"
    corner = f'<path d="M{x + CELL - 9} 1h7v7z"/>' if cell.stale else ""
    return (
        f"<a href={escape(cell.href)} class={shade}><rect x={x} />"
        f"<text x={x + CELL // 2 - 1}>{_escaped(cell.text)}</text>{corner}</a>"
    )


# Of thousands of cells most say the same.
_escaped = lru_cache(maxsize=1024)(escape)
