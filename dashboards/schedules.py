"""Schedules as text, and how two of them differ."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

#: Lines of a difference that are shown; the rest is counted.
LINES = 160


def instructions(trace: str | None) -> list[str]:
    """A trace as one line per instruction; what cannot be read is shown as it is."""
    if trace is None:
        return []
    try:
        steps, decisions = json.loads(trace)
        chosen = {int(index): decision for index, decision in decisions}
        return [_line(step, chosen.get(index)) for index, step in enumerate(steps)]
    except (ValueError, TypeError):
        return trace.splitlines()


def _line(step: Sequence[Any], decision: object) -> str:
    name, inputs, attributes, outputs = step
    given = ", ".join([*map(str, inputs), *(json.dumps(a) for a in attributes)])
    made = ", ".join(map(str, outputs))
    rest = "" if decision is None else f"  # {json.dumps(decision)}"
    return f"{made} = {name}({given}){rest}" if made else f"{name}({given}){rest}"


def difference(one: str | None, other: str | None) -> tuple[list[tuple[str, str]], int]:
    """Lines that two traces do not share, with two lines around them.

    Returns
    -------
    tuple
        Pairs of ``add``, ``del``, ``same`` or ``hunk`` and a line; and how many lines were left
        out at the end.
    """
    kinds = {"+": "add", "-": "del", "@": "hunk", " ": "same"}
    lines = list(
        difflib.unified_diff(instructions(one), instructions(other), "", "", n=2, lineterm="")
    )[2:]
    shown = [(kinds.get(line[:1], "same"), line) for line in lines[:LINES]]
    return shown, max(0, len(lines) - LINES)


def knobs(configs: Sequence[Mapping[str, Any] | None]) -> list[tuple[str, list[str], bool]]:
    """Knobs of several configurations side by side: name, values, whether they differ."""
    names = list(dict.fromkeys(name for config in configs for name in config or {}))
    found = []
    for name in names:
        values = ["" if config is None else str(config.get(name, "")) for config in configs]
        found.append((name, values, len(set(values)) > 1))
    return found
