"""Coverage: workloads by CPU architecture and bucket, and what tuning made of each."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Query
from markupsafe import Markup

from dashboards.charts import Heat, heat_map, heat_row
from dashboards.charts.heat import SHADES
from dashboards.pages.base import Context, Page
from db.views.kernels import Kernel

#: Digits of a digest in a link: among a million workloads, two hardly ever share them.
SHORT = 12


@dataclass(frozen=True, slots=True)
class CoverageParams:
    """What coverage shows."""

    #: What a cell tells.
    show: Annotated[Literal["roofline", "speedup"], Query()] = "roofline"
    #: Only this model.
    model: Annotated[str | None, Query()] = None
    #: Only this kind of operator.
    op: Annotated[str | None, Query()] = None
    #: Only cells like this.
    only: Annotated[Literal["untuned", "stale"] | None, Query()] = None


@dataclass(slots=True, eq=False)
class Cell:
    """A workload on one CPU architecture, in one bucket; the same object as long as its `Kernel`.

    Not frozen, and equal only to itself, as that is.
    """

    #: Name of the CPU architecture.
    arch: str
    #: Batch size.
    bucket: int
    #: First digits of the workload's digest.
    workload: str
    #: Part of the speed that the core could reach, 0 to 1; ``None`` if untuned or not known.
    roofline: float | None
    #: How many times faster than its default schedule.
    speedup: float | None
    #: Whether it has a record.
    tuned: bool
    #: Whether the record is of an earlier toolchain, or older than 30 days.
    stale: bool


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """A workload, whatever its batch size."""

    #: Its name, ``N`` for the batch size.
    name: str
    #: Kind of operator.
    op_kind: str
    #: Where it occurs.
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is tuned."""

    #: Models to choose from.
    models: Sequence[str]
    #: Kinds of operators to choose from.
    op_kinds: Sequence[str]
    #: CPU architectures, with their buckets in order.
    archs: Mapping[str, Sequence[int]]
    #: Cells that are shown.
    cells: int
    #: Of them tuned.
    tuned: int
    #: Of those stale.
    stale: int
    #: When the newest record was made.
    newest_at: datetime | None
    #: Workloads, by kind and name.
    rows: Sequence[CoverageRow]


def _read(context: Context, params: CoverageParams) -> Coverage:
    every = context.kernels()
    return context.cache.made_of(("coverage", params), every, lambda: _covered(every, params))


def _covered(every: Sequence[Kernel], params: CoverageParams) -> Coverage:
    # What several models have in common is one cell.
    unique = {(k.workload, k.arch, k.bucket): k for k in every if _wanted(k, params)}
    rows: dict[tuple[str, str], dict[tuple[str, int], list[Cell]]] = {}
    for kernel in unique.values():
        family, cell = _cell(kernel)
        row = rows.setdefault((kernel.op_kind, family), {})
        row.setdefault((kernel.arch, kernel.bucket), []).append(cell)
    archs: dict[str, set[int]] = defaultdict(set)
    for _, arch, bucket in unique:
        archs[arch].add(bucket)
    dates = [k.recorded_at for k in unique.values() if k.recorded_at is not None]
    return Coverage(
        models=sorted({k.model for k in every}),
        op_kinds=sorted({k.op_kind for k in every}),
        archs={arch: sorted(buckets) for arch, buckets in sorted(archs.items())},
        cells=len(unique),
        tuned=sum(k.tuned for k in unique.values()),
        stale=sum(k.stale for k in unique.values()),
        newest_at=max(dates, default=None),
        rows=[
            CoverageRow(name, op, cells)
            for (op, name), by_column in sorted(rows.items())
            for cells in _side_by_side(by_column)
        ],
    )


# Between two looks few kernels change.
@lru_cache(maxsize=1 << 15)
def _cell(kernel: Kernel) -> tuple[str, Cell]:
    """The workload whatever its batch size, and its cell."""
    # Speeds are shown with two or three digits.
    roofline, speedup = kernel.roofline, kernel.speedup
    return kernel.family, Cell(
        kernel.arch,
        kernel.bucket,
        kernel.workload[:SHORT],
        None if roofline is None else round(roofline, 4),
        None if speedup is None else round(speedup, 3),
        kernel.tuned,
        kernel.stale,
    )


def _side_by_side(by_column: Mapping[tuple[str, int], list[Cell]]) -> list[list[Cell]]:
    """Rows of cells, one per column: two workloads of one name in one bucket have a row each."""
    in_order = sorted(by_column.items())
    if all(len(cells) == 1 for _, cells in in_order):
        return [[cell for _, (cell,) in in_order]]
    stacks = [sorted(cells, key=lambda cell: cell.workload) for _, cells in in_order]
    return [
        [cell for cell in level if cell is not None] for level in itertools.zip_longest(*stacks)
    ]


def _wanted(kernel: Kernel, params: CoverageParams) -> bool:
    if params.model is not None and kernel.model != params.model:
        return False
    if params.op is not None and kernel.op_kind != params.op:
        return False
    if params.only == "untuned":
        return not kernel.tuned
    return params.only != "stale" or kernel.stale


def _draw(coverage: Coverage, params: CoverageParams) -> Mapping[str, Any]:
    columns = [(arch, bucket) for arch, buckets in coverage.archs.items() for bucket in buckets]
    place = {column: index for index, column in enumerate(columns)}
    rows = []
    for row in coverage.rows:
        cells: list[Cell | None] = [None] * len(columns)
        for cell in row.cells:
            cells[place[cell.arch, cell.bucket]] = cell
        rows.append(_row(tuple(cells), params.show))
    groups = [(arch, [str(b) for b in buckets]) for arch, buckets in coverage.archs.items()]
    what = "Percent of roofline" if params.show == "roofline" else "Speed-up over default schedules"
    return {
        "heat": heat_map(groups, rows, f"{what} by workload, CPU architecture and batch size"),
        "above": any((c.roofline or 0.0) > 1.0 for row in coverage.rows for c in row.cells),
    }


# Most rows are as they were.
@lru_cache(maxsize=1 << 10)
def _row(cells: tuple[Cell | None, ...], show: str) -> Markup:
    return heat_row([None if cell is None else _heat(cell, show) for cell in cells])


# There are thousands of cells, and few architectures.
_quoted = lru_cache(maxsize=64)(partial(quote, safe=""))


def _heat(cell: Cell, show: str) -> Heat:
    href = f"workloads/{cell.workload}?arch={_quoted(cell.arch)}"
    if not cell.tuned:
        return Heat(href, "·", None)
    value = cell.roofline if show == "roofline" else cell.speedup
    if value is None:
        return Heat(href, "?", 0, cell.stale)
    if show == "roofline":
        # 15 % to 85 % take most shades: below and above there is little to tell apart.
        shade = round((value - 0.1) / 0.75 * (SHADES - 1))
        return Heat(href, f"{value * 100:.0f}", min(max(shade, 0), SHADES - 1), cell.stale)
    shade = round((value - 1.0) * 3)
    text = f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
    return Heat(href, text, min(max(shade, 0), SHADES - 1), cell.stale)


COVERAGE = Page(
    name="coverage",
    path="/coverage",
    title="Coverage",
    about="Workloads by CPU architecture and bucket: how well each is tuned, or that it is not.",
    params=CoverageParams,
    data=Coverage,
    read=_read,
    draw=_draw,
    live=("summary",),
)
