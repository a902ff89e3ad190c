"""Register tiles of dense layers: which there are, and what they ask of a core's ports."""

from __future__ import annotations

from tuner.templates.base import divisors

#: Largest tile: more rows than this leave no register for a panel.
_MAX_ROWS, _MAX_PANELS = 28, 8
#: Rows of tiles that fill the registers of avx2 or avx512, whatever the batch.
_FULL_ROWS = (5, 6, 7, 8, 9, 10, 12, 14)
#: Panels of such tiles, whatever N.
_FULL_PANELS = (2, 3, 4, 5, 6)
#: Cycles from the start of an FMA to its result, and FMAs (or loads) that start in a cycle.
_LATENCY, PORTS = 4.0, 2.0


def tile_rows(batch: int) -> tuple[int, ...]:
    """Rows that a tile may have."""
    full = {rows for rows in _FULL_ROWS if rows < batch}
    return tuple(sorted(full.union(divisors(batch, _MAX_ROWS))))


def tile_panels(panels: int) -> tuple[int, ...]:
    """Panels that a tile may have."""
    full = {n for n in _FULL_PANELS if n < panels}
    return tuple(sorted(full.union(divisors(panels, _MAX_PANELS))))


def registers(rows: int, vectors: int) -> int:
    """Accumulators, one broadcast activation, and the weights unless they are used only once."""
    return rows * vectors + 1 + (vectors if rows > 1 else 0)


def reuse(rows: int, vectors: int) -> float:
    """Multiplications per load: what a tile asks of the load ports."""
    return rows * vectors / (rows + vectors)


def unrolls(depth: int) -> tuple[int, ...]:
    """Steps of K that may be unrolled: a short K wholly."""
    steps = divisors(depth, 8)
    return steps if depth > 16 or depth in steps else (*steps, depth)


def cycles(batch: int, panels: int, rows: int, columns: int, per_panel: int) -> float:
    """Cycles for one step of K over the whole layer: what the ports allow."""

    def tile(rows: int, columns: int) -> float:
        vectors = per_panel * columns
        busy = max(rows * vectors, rows + vectors) / PORTS
        return max(busy, _LATENCY) if rows * columns else 0.0

    tall, low = divmod(batch, rows)
    wide, narrow = divmod(panels, columns)
    return (
        tall * (wide * tile(rows, columns) + tile(rows, narrow))
        + wide * tile(low, columns)
        + tile(low, narrow)
    )
