"""The rules that sketches are made by, for kernels that run on one thread.

They are MetaSchedule's for x86 (``ScheduleRule.create("llvm")``) without whatever makes a loop
parallel or binds it to a thread, and with vectors of the CPU at hand. MetaSchedule's rewriting of
layouts is left out as well: weights are packed in the graph (`tuner.graph.dense`), so the functions
that rules see read packed weights already, and one copy of them serves every schedule.
"""

from __future__ import annotations

from tvm.s_tir.meta_schedule import mutator, postproc, schedule_rule
from tvm.s_tir.meta_schedule.mutator import Mutator
from tvm.s_tir.meta_schedule.postproc import Postproc
from tvm.s_tir.meta_schedule.schedule_rule import ReuseType, ScheduleRule

from tuner.templates.blocks import VECTOR

#: Serial kernels: MetaSchedule's word for "no loop becomes parallel".
_NO_JOBS = -1
#: Levels of a tile, from the outermost: spatial, spatial, reduction, spatial, reduction, spatial.
TILING = "SSRSRS"
#: Statements that a loop nest may be unrolled to; upstream offers 512, which keeps LLVM busy.
UNROLL_STEPS = (0, 16, 64, 256)


def schedule_rules() -> list[ScheduleRule]:
    """What derives sketches from a function, in the order of MetaSchedule's own list.

    The innermost tile holds one weight panel at most: one register of avx512, two of avx2. A longer
    vector would cross into the next panel, which lies elsewhere in memory.
    """
    return [
        schedule_rule.ApplyCustomRule(),
        schedule_rule.InlineConstantScalars(),
        schedule_rule.AutoInline(
            into_producer=False,
            into_consumer=True,
            inline_const_tensor=True,
            disallow_if_then_else=True,
            require_injective=True,
            require_ordered=True,
            disallow_op=["tirx.exp"],
        ),
        schedule_rule.AddRFactor(max_jobs_per_core=_NO_JOBS, max_innermost_factor=VECTOR),
        schedule_rule.MultiLevelTiling(
            structure=TILING,
            max_innermost_factor=VECTOR,
            reuse_write=ReuseType(req="may", levels=[1, 2], scope="global"),
        ),
        schedule_rule.ParallelizeVectorizeUnroll(
            max_jobs_per_core=_NO_JOBS,
            max_vectorize_extent=VECTOR,
            unroll_max_steps=list(UNROLL_STEPS),
            unroll_explicit=True,
        ),
        schedule_rule.RandomComputeLocation(),
    ]


def postprocs() -> list[Postproc]:
    """What makes a sketch with its choices filled in runnable, in order."""
    return [
        postproc.DisallowDynamicLoop(),
        postproc.RewriteParallelVectorizeUnroll(),
        postproc.RewriteReductionBlock(),
    ]


def mutators() -> list[tuple[Mutator, float]]:
    """What changes one choice, and how often it is tried: there are many more tiles than others."""
    return [
        (mutator.MutateTileSize(), 0.8),
        (mutator.MutateUnroll(), 0.1),
        (mutator.MutateComputeLocation(), 0.1),
    ]
