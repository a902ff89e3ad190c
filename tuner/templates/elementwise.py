"""The default schedule for everything without a template of its own: fused, vectorized, serial."""

from __future__ import annotations

from collections.abc import Callable

from tvm.s_tir import Schedule
from tvm.s_tir.schedule import SBlockRV, ScheduleError

from tuner.arch import Simd
from tuner.templates.axes import axes_of, runs_along_memory
from tuner.templates.base import Config, ConfigSpace, Knob, Template
from tuner.templates.blocks import (
    block_names,
    has_blocks,
    has_reduction,
    is_elementwise,
    is_expensive,
    is_single_store,
    name_of,
    try_inline,
    vectorize_inner,
    work,
)
from tuner.templates.fallbacks import first_line, note_fallback
from tuner.workloads.facts import Facts

#: Opaque blocks of ours, which vectorize themselves.
_WRITTEN_TO_RUN = ("bag_from_offsets",)
#: Longest loop that becomes one vector of odd length; longer ones are left to LLVM.
_LONGEST_VECTOR = 64
#: Lanes that a sum along memory is spread over.
_LANES = (16, 8)


class DefaultTemplate(Template):
    """Inlines element-wise producers into their consumers and vectorizes what is left."""

    name = "default"

    def matches(self, facts: Facts) -> bool:
        """True for every function."""
        return True

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Vector widths."""
        return ConfigSpace((Knob("vector", (16, 8, 32), "floats per vector"),))

    def default(self, facts: Facts, simd: Simd) -> Config:
        """One whole avx512 register, or two of avx2."""
        return {"vector": 16}

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Schedule any function."""
        if has_blocks(sch):
            schedule_rest(sch, block_names(sch), config["vector"])
        else:
            note_fallback("default", f"{facts.name} is opaque: compiled as it stands")


def schedule_rest(sch: Schedule, names: list[str], vector: int = 16) -> list[str]:
    """Give each named block the default schedule.

    Blocks that the schedule cannot change, such as scans, are left as they are and counted.

    Returns
    -------
    Names of the blocks that are left: others were inlined.
    """
    kept = [name for name in names if not _inlined(sch, name)]
    kept = [part for name in kept for part in _tried(sch, name, _across_lanes) or [name]]
    _gather_under_rows(sch, kept)
    for name in kept:
        _tried(sch, name, lambda sch, block: _innermost(sch, block, vector))
    return kept


def _tried(sch: Schedule, name: str, step: Callable[[Schedule, SBlockRV], list[str]]) -> list[str]:
    """Take a step with a block; one that TVM refuses is counted, and the block stays as it is."""
    try:
        return step(sch, sch.get_sblock(name))
    except ScheduleError as error:
        note_fallback("default", f"block {name}: {first_line(error)}")
        return []


def _inlined(sch: Schedule, name: str) -> bool:
    """Inline a block unless that computes anything expensive more often."""
    block = sch.get_sblock(name)
    consumers = list(sch.get_consumers(block))
    if not consumers or not is_elementwise(sch, block):
        return False
    again = len(consumers) > 1 or any(work(sch, c) > work(sch, block) for c in consumers)
    if again and is_expensive(sch, block):
        return False
    return try_inline(sch, block)


def _across_lanes(sch: Schedule, block: SBlockRV) -> list[str]:
    """Split a reduction that runs along memory into one partial result per lane, and their sum.

    Returns
    -------
    Names of the blocks that the block becomes; none if it stays.
    """
    if not has_reduction(sch, block) or not is_single_store(sch, block):
        return []
    if not runs_along_memory(sch, block):
        return []
    axis = [a for a in axes_of(sch, block) if a.reduces][-1]
    extent = int(sch.get(axis.loop).extent)
    lanes = next((n for n in _LANES if extent % n == 0 and extent > n), 0)
    if not lanes:
        return []
    _, lane = sch.split(axis.loop, [None, lanes])
    partial = sch.rfactor(lane, len(sch.get(block).writes[0].region))
    return [name_of(sch, partial), name_of(sch, block)]


def _gather_under_rows(sch: Schedule, names: list[str]) -> None:
    """Compute everything for one row of the result before the next: buffers shrink to a row."""
    if len(names) < 2:
        return
    last = sch.get_sblock(names[-1])
    loops = sch.get_loops(last)
    if len(loops) < 2 or not is_single_store(sch, last):
        return
    if axes_of(sch, last)[0].reduces or int(sch.get(loops[0]).extent) == 1:
        return
    for name in reversed(names[:-1]):
        try:
            sch.compute_at(sch.get_sblock(name), loops[0], preserve_unit_loops=True)
        except ScheduleError:
            # It is read by whole columns, or it is a result itself: it keeps loops of its own.
            continue


def _innermost(sch: Schedule, block: SBlockRV, vector: int) -> list[str]:
    """Vectorize what runs along memory."""
    if not is_single_store(sch, block):
        name = name_of(sch, block)
        if name not in _WRITTEN_TO_RUN:
            note_fallback("default", f"block {name} is opaque: compiled as it stands")
    elif has_reduction(sch, block):
        _reduction(sch, block, vector)
    else:
        vectorize_inner(sch, block, vector)
    return []


def _reduction(sch: Schedule, block: SBlockRV, vector: int) -> None:
    """Bring the axis along which results lie in memory innermost, and vectorize it."""
    axes = axes_of(sch, block)
    reduce = [a.loop for a in axes if a.reduces]
    lane = next((a.loop for a in axes if a.contiguous), None)
    if lane is None or int(sch.get(lane).extent) < 4 or runs_along_memory(sch, block):
        sch.reorder(*(a.loop for a in axes if not a.reduces), *reduce)
        if int(sch.get(reduce[-1]).extent) <= max(_LANES):
            sch.unroll(reduce[-1])
        return
    others = [a.loop for a in axes if not a.reduces and not a.contiguous]
    extent = int(sch.get(lane).extent)
    if extent > vector and extent % vector == 0:
        outer, lane = sch.split(lane, [None, vector])
        others.append(outer)
    sch.reorder(*others, *reduce, lane)
    if int(sch.get(lane).extent) <= _LONGEST_VECTOR:
        sch.vectorize(lane)
    sch.decompose_reduction(block, reduce[0])
