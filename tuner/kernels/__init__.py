"""Kernels that are written out for a configuration instead of being scheduled.

Some kernels need what no schedule can say: sums across the lanes of a register, or loops whose
extent is a triangle. Their functions carry the operator as an attribute (`tuner.ops.OPERATOR`), a
template annotates one block with a configuration, and `written_out` builds the code. The
annotation is part of the trace, so that records of such kernels are replayed like all others.
"""

from tuner.kernels.write import CONFIG, annotate, written_out

__all__ = ["CONFIG", "annotate", "written_out"]
