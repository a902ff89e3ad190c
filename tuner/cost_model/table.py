"""Rows of named features, and the labels that a ranking is learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Table:
    """Features of some candidates."""

    #: Name of each column.
    columns: tuple[str, ...]
    #: Shape ``[candidates, columns]``, float32; NaN where a candidate has no such feature.
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.columns):
            raise ValueError(f"{self.values.shape} values for {len(self.columns)} columns")

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, float]]) -> Table:
        """The table of some rows; columns are all their names, in alphabetical order."""
        columns = tuple(sorted({name for row in rows for name in row}))
        place = {name: i for i, name in enumerate(columns)}
        values = np.full((len(rows), len(columns)), np.nan, np.float32)
        for i, row in enumerate(rows):
            for name, value in row.items():
                values[i, place[name]] = value
        return cls(columns, values)

    @classmethod
    def stacked(cls, tables: Sequence[Table]) -> Table:
        """The rows of all tables, one after the other; columns are those of any of them."""
        columns = tuple(sorted({name for table in tables for name in table.columns}))
        parts = [table.aligned(columns) for table in tables]
        return cls(columns, np.concatenate(parts) if parts else np.empty((0, 0), np.float32))

    def aligned(self, columns: Sequence[str]) -> np.ndarray:
        """Values in the order of `columns`; NaN in those that this table does not have."""
        if tuple(columns) == self.columns:
            return self.values
        place = {name: i for i, name in enumerate(self.columns)}
        values = np.full((len(self), len(columns)), np.nan, np.float32)
        for i, name in enumerate(columns):
            if name in place:
                values[:, i] = self.values[:, place[name]]
        return values

    def rows(self, chosen: Sequence[int]) -> Table:
        """Some of the rows."""
        return Table(self.columns, self.values[list(chosen)])


def relative_speed(secs: Sequence[float | None]) -> np.ndarray:
    """Speed of each candidate relative to the fastest of them: 1 for that, 0 for failed ones."""
    times = np.array([np.inf if s is None else s for s in secs], np.float64)
    best = times.min(initial=np.inf)
    if not np.isfinite(best):
        return np.zeros(len(times), np.float32)
    speeds: np.ndarray = (best / times).astype(np.float32)
    return speeds
