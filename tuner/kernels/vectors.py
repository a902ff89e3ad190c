"""Pieces of code over whole registers, for kernels that are written out.

Everything here runs within a function that TVM's builder (`tvm.script.ir_builder`) has open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from tvm import tirx
from tvm.tirx.script import builder as tir

#: TVM's expressions carry no types.
Expr: TypeAlias = Any


def index(value: int | Expr) -> Expr:
    """A number as an index."""
    return tirx.const(value, "int32") if isinstance(value, int) else value


def span(start: int | Expr, lanes: int) -> Expr:
    """Indices ``start .. start + lanes - 1``."""
    return index(start) if lanes == 1 else tirx.Ramp(index(start), index(1), lanes)


def zeros(lanes: int) -> Expr:
    """A register of zeros."""
    zero = tirx.const(0.0, "float32")
    return zero if lanes == 1 else tirx.Broadcast(zero, lanes)


def pieces(width: int, lanes: int) -> Iterator[tuple[int, int]]:
    """Cut `width` columns into whole registers, and the rest into halves, quarters and so on.

    Yields
    ------
    First column and number of columns of each piece.
    """
    start = 0
    while start < width:
        while start + lanes > width:
            lanes //= 2
        yield start, lanes
        start += lanes


def picked(value: Expr, places: Sequence[int]) -> Expr:
    """Chosen lanes of a register."""
    return tirx.Shuffle([value], list(places))


def sums_in_quads(values: Sequence[Expr], scratch: Expr, at: int, lanes: int) -> Expr:
    """Add up each group of four neighbouring lanes of up to four registers.

    Lane ``4 q + i`` of the result is the sum of lanes ``4 q .. 4 q + 3`` of ``values[i]``. Two
    registers are added at a time, so that no lane is idle.

    Parameters
    ----------
    scratch
        A buffer; the registers behind `at` hold the halves.
    """
    quads = range(0, lanes, 4)

    def across(i: int, j: int, k: int, l: int) -> list[int]:  # noqa: E741
        return [q + place for q in quads for place in (i, j, k, l)]

    def add(left: Expr, right: Expr, even: list[int], odd: list[int]) -> Expr:
        return tirx.Shuffle([left, right], even) + tirx.Shuffle([left, right], odd)

    halves = []
    for i in range(0, len(values), 2):
        left, right = values[i], values[min(i + 1, len(values) - 1)]
        place = [span(at + i * lanes, lanes)]
        even, odd = across(0, lanes, 1, lanes + 1), across(2, lanes + 2, 3, lanes + 3)
        tir.buffer_store(scratch, add(left, right, even, odd), place)
        halves.append(scratch[place[0]])
    even, odd = across(0, 1, lanes, lanes + 1), across(2, 3, lanes + 2, lanes + 3)
    return add(halves[0], halves[-1], even, odd)
