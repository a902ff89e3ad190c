"""What no schedule can say: kernels that are written out, and prefetches.

Some kernels need sums across the lanes of a register, or loops whose extent is a triangle. Their
functions carry the operator as an attribute (`tuner.ops.OPERATOR`), a template annotates one block
with a configuration, and the code is built for it. Loops annotated with a `Prefetch` get one.
Annotations are part of the trace, so that records of such kernels are replayed like all others.
Behind every schedule, ``exp`` and its like become arithmetic: LLVM would call a library for each
lane of a vector.
"""

from __future__ import annotations

import tvm

from tuner.kernels.maths import replace_calls
from tuner.kernels.prefetch import Prefetch, insert_prefetches
from tuner.kernels.stream import Stream, insert_streams
from tuner.kernels.write import annotate, written_out

__all__ = ["Prefetch", "Stream", "annotate", "lower"]


def lower(mod: tvm.IRModule) -> tvm.IRModule:
    """Turn what schedules leave open in ``main`` into code: annotations, and calls of libraries."""
    return replace_calls(insert_streams(insert_prefetches(written_out(mod))))
