"""What no schedule can say: kernels that are written out, and prefetches.

Some kernels need sums across the lanes of a register, or loops whose extent is a triangle. Their
functions carry the operator as an attribute (`tuner.ops.OPERATOR`), a template annotates one block
with a configuration, and the code is built for it. Loops annotated with a `Prefetch` get one.
Annotations are part of the trace, so that records of such kernels are replayed like all others;
`lower_annotations` comes behind every schedule.
"""

from __future__ import annotations

import tvm

from tuner.kernels.prefetch import Prefetch, insert_prefetches
from tuner.kernels.stream import Stream, insert_streams
from tuner.kernels.write import annotate, written_out

__all__ = ["Prefetch", "Stream", "annotate", "lower_annotations"]


def lower_annotations(mod: tvm.IRModule) -> tvm.IRModule:
    """Turn the annotations of a scheduled ``main`` into code."""
    return insert_streams(insert_prefetches(written_out(mod)))
