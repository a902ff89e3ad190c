"""The demo's result: one row per bucket."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class BucketResult:
    """One bucket, timed."""

    batch: int
    #: Seconds per call of the framework that the model comes from.
    reference: float
    #: Seconds per call with default schedules.
    untuned: float
    #: Seconds per call with the best records.
    tuned: float
    #: Kernels served from the database.
    from_database: int
    #: Kernels of the bucket.
    kernels: int

    @property
    def ratio(self) -> float:
        """How many times faster than the framework."""
        return self.reference / self.tuned


def geometric_mean(ratios: Sequence[float]) -> float:
    """Geometric mean of positive numbers."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def table_of(results: Sequence[BucketResult], reference: str) -> Table:
    """Microseconds per call, and what they come to; `reference` names the framework."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for title in ("bucket", reference, "untuned", "tuned", "ratio", "from database"):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        table.add_row(
            str(result.batch),
            _micros(result.reference),
            _micros(result.untuned),
            _micros(result.tuned),
            Text(f"{result.ratio:.2f}x", style="bold green" if result.ratio > 1 else "bold red"),
            f"{result.from_database} of {result.kernels}",
        )
    return table


def _micros(secs: float) -> str:
    value = secs * 1e6
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.1f}"
