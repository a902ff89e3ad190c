"""The default schedule for everything without a template of its own: fused, vectorized, serial."""

from __future__ import annotations

from tvm.s_tir import Schedule
from tvm.s_tir.schedule import SBlockRV, ScheduleError

from tuner.arch import Simd
from tuner.templates.base import Config, ConfigSpace, Knob, Template
from tuner.templates.blocks import children, has_reduction, name_of, try_inline, vectorize_inner
from tuner.workloads.facts import Facts


class DefaultTemplate(Template):
    """Inlines element-wise producers into their consumers and vectorizes what is left."""

    name = "default"

    def matches(self, blocks: list[str]) -> bool:
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
        schedule_rest(sch, [name_of(sch, b) for b in children(sch)], config["vector"])


def schedule_rest(sch: Schedule, names: list[str], vector: int = 16) -> None:
    """Give each named block the default schedule."""
    outputs = {name_of(sch, b) for b in sch.get_output_blocks(sch.get_sblock("root"))}
    kept = []
    for name in names:
        block = sch.get_sblock(name)
        if name in outputs or has_reduction(sch, block) or not try_inline(sch, block):
            kept.append(name)
    for name in kept:
        block = sch.get_sblock(name)
        try:
            if has_reduction(sch, block):
                _reduction(sch, block, vector)
            else:
                vectorize_inner(sch, block, vector)
        except ScheduleError:
            # An opaque or data-dependent block has no loop to vectorize: LLVM sees it as it is.
            continue


def _reduction(sch: Schedule, block: SBlockRV, vector: int) -> None:
    """Bring the last spatial loop innermost, so that it can be vectorized."""
    loops = list(sch.get_loops(block))
    iters = list(sch.get(block).iter_vars)
    spatial = [loop for loop, v in zip(loops, iters, strict=True) if int(v.iter_type) != 2]
    reduce = [loop for loop in loops if loop not in spatial]
    if not spatial or int(sch.get(spatial[-1]).extent) < 8:
        return
    inner = spatial[-1]
    extent = int(sch.get(inner).extent)
    if extent > vector and extent % vector == 0:
        outer, lane = sch.split(inner, [None, vector])
        sch.reorder(*spatial[:-1], outer, *reduce, lane)
    else:
        lane = inner
        sch.reorder(*spatial[:-1], *reduce, lane)
    init = sch.decompose_reduction(block, reduce[0])
    if int(sch.get(lane).extent) <= 64:
        sch.vectorize(lane)
        vectorize_inner(sch, init, 64)
