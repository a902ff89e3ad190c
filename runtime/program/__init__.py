"""A bucket as one compiled function: inputs checked, kernels called, scores written in one call.

Relax's virtual machine costs microseconds per kernel and more per weight, which at small batches
is most of a call. A bucket's graph is a straight line of kernels of known shapes, so everything
the machine does at run time is known before: where each activation lies in one arena, which weight
each kernel reads, in which order they run.
"""

from runtime.program.build import Plan, Program, ProgramCode, plan_program
from runtime.program.by_rows import by_rows
from runtime.program.graph import NotStraight
from runtime.program.kernels import Kernel, build_by_rows, build_kernel
from runtime.program.shared import SharedKernels, Wanted

__all__ = [
    "Kernel",
    "NotStraight",
    "Plan",
    "Program",
    "ProgramCode",
    "SharedKernels",
    "Wanted",
    "build_by_rows",
    "build_kernel",
    "by_rows",
    "plan_program",
]
