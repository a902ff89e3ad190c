"""Code for one batch size that serves smaller ones as well: it stops after the rows there are.

Most kernels of a ranking model compute one example after the other. Compiled for a batch of 256,
such a kernel computes the first 16 examples by the code that one for a batch of 16 would have,
once its loop over examples ends at 16: compiling it for every bucket gains nothing.

That it may end early is proven of each scheduled function: whatever has an example per row is only
touched at the row that one loop over rows has reached, and what has not is nothing that one row
leaves for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from math import lcm

import tvm
from tvm import tirx
from tvm_ffi import structural_map

from runtime.program.row_reader import RowReader, clamped, prefetches

#: Annotation of a loop: its number, and how many rows one iteration computes.
_MARK = "tunefleet.rows"


@dataclass(frozen=True, slots=True)
class ByRows:
    """A scheduled function whose last parameter is the number of rows that count."""

    func: tirx.PrimFunc
    #: The number of rows has to be a multiple of this.
    step: int
    #: Loops that are marked.
    loops: int


def by_rows(func: tirx.PrimFunc, batch: int, with_rows: Set[int]) -> ByRows | None:
    """Let a scheduled function for `batch` rows stop earlier; None if it cannot.

    `cut_short` has to be applied once the function is lowered: until then its loops keep their
    extents, so that it is lowered as it would be for the whole batch.

    Parameters
    ----------
    with_rows
        Positions of the parameters that have an example per row; others may have as many rows.
    """
    reader = RowReader(func, batch, with_rows)
    if not reader.independent():
        return None
    loops = reader.row_loops
    order = {var: i for i, var in enumerate(loops)}
    rows = tirx.Var("rows", "int64")

    def mark(loop: tirx.For) -> tirx.For:
        if loop.loop_var not in loops:
            return loop
        text = f"{order[loop.loop_var]} {loops[loop.loop_var]}"
        return _with(loop, loop.extent, {**loop.annotations, _MARK: text})

    def clamp(load: tvm.ir.TensorLoad) -> tvm.ir.TensorLoad:
        within = clamped(load, batch, rows)
        return load if within is None else within

    def clamp_prefetch(call: tvm.ir.Call) -> tvm.ir.Call:
        return structural_map(call, (tvm.ir.TensorLoad, clamp)) if prefetches(call) else call

    body = structural_map(func.body, [(tirx.For, mark), (tvm.ir.Call, clamp_prefetch)])
    marked = tirx.PrimFunc([*func.params, rows], body, func.ret_type, func.attrs)
    return ByRows(marked, lcm(*loops.values()), len(loops))


def cut_short(func: tirx.PrimFunc, loops: int) -> tirx.PrimFunc | None:
    """End the marked loops of a lowered function after its last parameter's rows.

    Returns
    -------
    None if lowering did away with one of the `loops` that `by_rows` marked.
    """
    rows, seen = func.params[-1], set()

    def end(loop: tirx.For) -> tirx.For:
        if _MARK not in loop.annotations:
            return loop
        number, step = map(int, str(loop.annotations[_MARK]).split())
        seen.add(number)
        extent = tirx.floordiv(rows, tirx.IntImm("int64", step)).astype(loop.loop_var.ty.dtype)
        rest = {k: v for k, v in loop.annotations.items() if k != _MARK}
        return _with(loop, extent, rest)

    body = structural_map(func.body, (tirx.For, end))
    return func.with_body(body) if len(seen) == loops else None


def _with(loop: tirx.For, extent: tvm.ir.Expr, annotations: Mapping[str, object]) -> tirx.For:
    return tirx.For(
        loop.loop_var, loop.min, extent, loop.kind, loop.body, loop.thread_binding, annotations
    )
