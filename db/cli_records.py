"""The commands ``tunefleet db compare`` and ``tunefleet db rollback``: best records over time."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import click

from db.domain.reports import Change


class Moment(click.ParamType[datetime]):
    """A moment, ISO 8601; in UTC unless it says otherwise."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no moment; write e.g. 2026-11-22T06:00", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def change_line(change: Change) -> str:
    """One workload at two moments, for people."""
    before = "-" if change.before is None else f"{1e6 * change.before.run_secs:.2f}"
    after = "-" if change.after is None else f"{1e6 * change.after.run_secs:.2f}"
    times = "" if change.speedup is None else f"  {change.speedup:.3f}x"
    return f"{before:>12} -> {after:>12} us{times}  {change.arch}  {change.name}"


def describe(change: Change) -> dict[str, Any]:
    """One workload at two moments, for programs."""
    return {**dataclasses.asdict(change), "speedup": change.speedup}
