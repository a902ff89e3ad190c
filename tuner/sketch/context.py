"""MetaSchedule's tuning context, made without its constructor.

The constructor in Python imports every tensor intrinsic that TVM knows, those of GPUs included:
more than a minute of processor time in each process, for intrinsics that no rule here uses. The
functions it ends in are registered, and are called here.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm.s_tir.meta_schedule import TuneContext
from tvm.s_tir.meta_schedule.mutator import Mutator
from tvm.s_tir.meta_schedule.space_generator import PostOrderApply
from tvm.s_tir.schedule import Trace

from db import CpuArch
from tuner.arch import target_of
from tuner.sketch.rules import postprocs, schedule_rules

#: Nothing random happens under it: every choice is drawn by a seed of its own.
_RAND_STATE = 1


def new_context(mod: tvm.IRModule, arch: CpuArch) -> TuneContext:
    """A context for the rules on one thread of a CPU."""
    space = PostOrderApply(sch_rules=schedule_rules(), postprocs=postprocs(), mutator_probs={})
    context = _registered("TuneContext")(
        mod, target_of(arch), space, None, "main", 1, _RAND_STATE, None
    )
    _registered("TuneContextInitialize")(context)
    return context


def mutated(mutator: Mutator, trace: Trace, seed: int) -> Trace | None:
    """A trace with one choice changed; None if the mutator has nothing to change.

    ``Mutator.apply`` in Python draws its own seed.
    """
    return _registered("MutatorApply")(mutator, trace, seed)


def _registered(name: str) -> Any:
    return tvm.get_global_func(f"s_tir.meta_schedule.{name}")
