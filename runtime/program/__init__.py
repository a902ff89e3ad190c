"""A bucket as one compiled function: inputs checked, kernels called, scores written in one call.

Relax's virtual machine costs microseconds per kernel and more per weight, which at small batches
is most of a call. A bucket's graph is a straight line of kernels of known shapes, so everything
the machine does at run time is known before: where each activation lies in one arena, which weight
each kernel reads, in which order they run.
"""

from runtime.program.build import Program, ProgramCode, build_program
from runtime.program.graph import NotStraight

__all__ = ["NotStraight", "Program", "ProgramCode", "build_program"]
