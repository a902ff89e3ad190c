"""Turns sums and means over gathered rows into embedding bags."""

from __future__ import annotations

from tvm import relax

from tuner.graph.rewrite import Lookup, call_kernel, calls, fixed, kernel_name
from tuner.ops import embedding_bag


def rewrite_bags(
    builder: relax.BlockBuilder, call: relax.Call, lookup: Lookup
) -> relax.Expr | None:
    """Rewrite ``sum(gather(table, indices), axis=1)``; see `tuner.graph.rewrite.Rewriter`.

    This is how a bag reads in ONNX, and in torch models that call ``nn.Embedding`` and reduce.
    """
    if not calls(call, "sum", "mean") or not call.attrs.axis:
        return None
    gather = lookup(call.args[0])
    if not kernel_name(gather).startswith("gather") or gather is None:
        return None
    table, indices = gather.args[1].fields[:2]
    rank = len(gather.ty.shape)
    axes = [int(a) % rank for a in call.attrs.axis]
    if len(table.ty.shape) != 2 or len(indices.ty.shape) != 2 or axes != [1]:
        return None
    if fixed(indices.ty.shape[1]) is None or str(table.ty.dtype) != "float32":
        return None
    mean = calls(call, "mean")
    kind = "general" if mean else "sum"
    bag = call_kernel(
        builder, embedding_bag, table, indices, mean=mean, name=f"embedding_bag_{kind}"
    )
    return relax.op.expand_dims(builder.emit(bag), 1) if call.attrs.keepdims else bag
