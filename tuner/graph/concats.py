"""Turns concatenations into one kernel that writes each part to its columns.

TVM's own ``concat`` chooses between its inputs for every element. Embedding bags that only feed
a concatenation move into it (see `tuner.ops.embedding_concat`).
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import relax

from tuner.graph.rewrite import fixed, op_name
from tuner.ops import BagSegment, CopySegment, Segment, embedding_concat

Lookup = Callable[[relax.Expr], "relax.Expr | None"]


def rewrite_concats(
    builder: relax.BlockBuilder, call: relax.Call, lookup: Lookup
) -> relax.Expr | None:
    """Rewrite ``concat([B, n] ..., axis=1)``; see `tuner.graph.rewrite.Rewriter`."""
    if op_name(call) != "relax.concat" or int(call.attrs.axis or 0) not in (1, -1):
        return None
    parts = list(call.args[0].fields) if isinstance(call.args[0], relax.Tuple) else []
    dtype = str(parts[0].ty.dtype) if parts else ""
    if not parts or any(
        len(p.ty.shape) != 2 or fixed(p.ty.shape[1]) is None or str(p.ty.dtype) != dtype
        for p in parts
    ):
        return None
    arguments = _Arguments(call.ty.shape[0])
    segments = [_segment(part, arguments, lookup) for part in parts]
    if fixed(call.ty.shape[0]) is not None:
        return None
    kernel = embedding_concat(arguments.signature(), segments, dtype)
    callee = builder.add_func(kernel, "embedding_concat" if any(
        isinstance(s, BagSegment) for s in segments) else "concat")
    return relax.call_tir(callee, arguments.values, call.ty)


class _Arguments:
    """Tensors that a kernel reads, each once."""

    def __init__(self, batch: object) -> None:
        self.values: list[relax.Expr] = []
        self._batch = batch

    def place(self, value: relax.Expr) -> int:
        """Position of `value` among the arguments; appended on first use."""
        for i, known in enumerate(self.values):
            if known.same_as(value):
                return i
        self.values.append(value)
        return len(self.values) - 1

    def signature(self) -> list[tuple[tuple[int | str, ...], str]]:
        """Shape and dtype of each; ``"batch"`` for the open dimension."""
        return [
            (
                tuple("batch" if fixed(d) is None else int(d) for d in v.ty.shape),
                str(v.ty.dtype),
            )
            for v in self.values
        ]


def _segment(part: relax.Expr, arguments: _Arguments, lookup: Lookup) -> Segment:
    bound = lookup(part) if isinstance(part, relax.Var) else None
    if op_name(bound) == "relax.call_tir" and bound.args[0].name_hint.startswith(
        "embedding_bag_sum"
    ):
        table, indices = bound.args[1].fields
        rows, width = (int(d) for d in table.ty.shape)
        hots = fixed(indices.ty.shape[1])
        if hots is not None:
            source, slot = _slot(indices, lookup)
            return BagSegment(
                arguments.place(table), arguments.place(source), slot, rows, width, hots
            )
    return CopySegment(arguments.place(part), int(part.ty.shape[1]))


def _slot(indices: relax.Expr, lookup: Lookup) -> tuple[relax.Expr, int | None]:
    """Look through ``squeeze(strided_slice(x, 1, i, i + 1))`` to ``x`` and ``i``."""
    squeeze = lookup(indices) if isinstance(indices, relax.Var) else None
    if op_name(squeeze) != "relax.squeeze":
        return indices, None
    cut = lookup(squeeze.args[0])
    if op_name(cut) != "relax.strided_slice" or len(cut.args[0].ty.shape) != 3:
        return indices, None
    axes, begin = ([int(f) for f in cut.args[i].fields] for i in (1, 2))
    return (cut.args[0], begin[0]) if axes == [1] else (indices, None)
