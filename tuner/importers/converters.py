"""Converters for torch operators that TVM's importer lacks or gets wrong."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import tvm
from tvm import relax

from tuner.errors import UnsupportedOperator
from tuner.graph.rewrite import fixed
from tuner.ops import OffsetBags, bag_from_offsets, embedding_bag

#: ``mode`` of ``aten._embedding_bag``.
_SUM, _MEAN = 0, 1


def _argument(node: Any, position: int, name: str, default: Any) -> Any:
    if len(node.args) > position:
        return node.args[position]
    return node.kwargs.get(name, default)


def _embedding_bag(node: Any, importer: Any) -> tuple[relax.Var, ...]:
    table = importer.env[node.args[0]]
    mode = _argument(node, 4, "mode", _SUM)
    weights_node = _argument(node, 6, "per_sample_weights", None)
    include_last = bool(_argument(node, 7, "include_last_offset", False))
    padding = _argument(node, 8, "padding_idx", -1)
    padding = -1 if padding is None else padding
    if mode not in (_SUM, _MEAN):
        raise UnsupportedOperator(
            "aten._embedding_bag with mode='max' cannot be imported; sum and mean can"
        )
    if mode == _MEAN and padding >= 0:
        raise UnsupportedOperator(
            "aten._embedding_bag with mode='mean' and a padding_idx cannot "
            "be imported; sum with padding_idx can"
        )
    builder = importer.block_builder
    equal = _fixed_length(node, importer)
    if equal is not None:
        indices, length = equal
        args = [table, indices]
        plain = mode == _SUM and weights_node is None and padding < 0
        kind = "sum" if plain else "general"
        if weights_node is not None:
            flat = importer.env[weights_node]
            shape = [indices.ty.shape[0], length]
            args.append(builder.emit(relax.op.reshape(flat, shape)))
        return (
            builder.emit_te(
                embedding_bag, *args, mean=mode == _MEAN, padding_idx=padding,
                primfunc_name_hint=f"embedding_bag_{kind}",
            ),
        )  # fmt: skip
    indices, offsets = importer.env[node.args[1]], importer.env[node.args[2]]
    rows, dim = (int(d) for d in table.ty.shape)
    bags_of = OffsetBags(
        rows, dim, str(table.ty.dtype), str(indices.ty.dtype), str(offsets.ty.dtype),
        mean=mode == _MEAN, weighted=weights_node is not None,
        include_last_offset=include_last, padding_idx=padding,
    )  # fmt: skip
    args = [table, indices]
    if weights_node is not None:
        args.append(importer.env[weights_node])
    bags = offsets.ty.shape[0]
    if include_last:
        bags = tvm.sym.Analyzer().simplify(bags - 1)
    out = relax.TensorType([bags, dim], str(table.ty.dtype))
    callee = builder.add_func(bag_from_offsets(bags_of), "bag_from_offsets")
    return (builder.emit(relax.call_tir(callee, [*args, offsets], out)),)


def _fixed_length(node: Any, importer: Any) -> tuple[relax.Var, int] | None:
    """Recognise the 2-D form, which torch lowers to ``view(indices, -1)`` and ``arange(0, n, L)``.

    Returns the 2-D indices and L, or None for real offsets.
    """
    flat, offsets = node.args[1], node.args[2]
    flattened = any(name in str(flat.target) for name in ("view", "reshape"))
    if "arange" not in str(offsets.target) or not flattened:
        return None
    if not offsets.args or (len(offsets.args) > 1 and offsets.args[0] != 0):
        return None
    length = offsets.args[2] if len(offsets.args) > 2 else 1
    if not isinstance(length, int):
        return None
    indices = importer.env[flat.args[0]]
    shape = indices.ty.shape
    if len(shape) != 2 or not isinstance(flat.args[0].meta["val"].shape[1], int):
        return None
    return (indices, length) if int(shape[1]) == length else None


def _index(node: Any, importer: Any) -> relax.Var:
    """``x[:, i, j]`` with 1-D index tensors side by side, which torch zips.

    TVM 0.27 turns it into an outer product (``_index_tensor`` in its
    ``base_fx_graph_translator.py``), so the joined axes are flattened and gathered once instead.
    """
    data = importer.env[node.args[0]]
    indices = node.args[1]
    places = [axis for axis, index in enumerate(indices) if index is not None]
    picked = [importer.env[indices[axis]] for axis in places]
    one_rank = all(len(p.ty.shape) == 1 for p in picked)
    side_by_side = places == list(range(places[0], places[0] + len(places)))
    if not (one_rank and side_by_side):
        raise UnsupportedOperator(
            "aten.index.Tensor is imported only for 1-D index tensors on "
            "neighbouring axes, as in x[:, i, j]"
        )
    builder = importer.block_builder
    if len(places) == 1 and fixed(data.ty.shape[places[0]]) is None:
        return builder.emit(relax.op.take(data, picked[0], axis=places[0]))
    extents = [e for e in (fixed(data.ty.shape[axis]) for axis in places) if e is not None]
    if len(extents) < len(places):
        raise UnsupportedOperator(
            "aten.index.Tensor cannot be imported for index tensors over a batch that stays open"
        )
    linear: relax.Expr | None = None
    for index, extent in zip(picked, extents, strict=True):
        place = _from_start(builder, index, extent)
        if linear is not None:
            scaled = relax.op.multiply(linear, relax.const(extent, "int64"))
            place = relax.op.add(scaled, place)
        linear = builder.emit(place)
    shape = list(data.ty.shape.values)
    merged = [*shape[: places[0]], prod(extents), *shape[places[-1] + 1 :]]
    flat = builder.emit(relax.op.reshape(data, merged)) if len(places) > 1 else data
    return builder.emit(relax.op.take(flat, linear, axis=places[0]))


def _from_start(builder: relax.BlockBuilder, index: relax.Expr, extent: int) -> relax.Expr:
    """Count indices from the start that torch may count from the end."""
    index = builder.emit(relax.op.astype(index, "int64"))
    negative = relax.op.less(index, relax.const(0, "int64"))
    return relax.op.where(negative, relax.op.add(index, relax.const(extent, "int64")), index)


def _extreme(reduce: Callable[..., relax.Expr]) -> Callable[[Any, Any], relax.Var]:
    """``amax`` and ``amin``, which TVM 0.27 lacks."""

    def convert(node: Any, importer: Any) -> relax.Var:
        axes = _argument(node, 1, "dim", ())
        keep = bool(_argument(node, 2, "keepdim", False))
        axis = [axes] if isinstance(axes, int) else list(axes) or None
        return importer.block_builder.emit(reduce(importer.env[node.args[0]], axis, keep))

    return convert


def _linear(node: Any, importer: Any) -> relax.Var:
    """As ``aten.addmm`` of a transposed weight, which torch makes of it."""
    emit, (x, weight) = importer.block_builder.emit, (importer.env[a] for a in node.args[:2])
    product = emit(relax.op.matmul(x, emit(relax.op.permute_dims(weight, [1, 0]))))
    bias = _argument(node, 2, "bias", None)
    return product if bias is None else emit(relax.op.add(importer.env[bias], product))


def _stack(node: Any, importer: Any) -> relax.Var:
    """As a concatenation, which torch makes of it."""
    emit = importer.block_builder.emit
    parts = [importer.env[part] for part in node.args[0]]
    shape = list(parts[0].ty.shape)
    axis = _argument(node, 1, "dim", 0) % (len(shape) + 1)
    if axis == len(shape):
        return emit(relax.op.concat([emit(relax.op.expand_dims(p, [axis])) for p in parts], -1))
    joined = emit(relax.op.concat(parts, axis))
    return emit(relax.op.reshape(joined, [*shape[:axis], len(parts), *shape[axis:]]))


def _numel(node: Any, importer: Any) -> Any:
    return prod(importer.env[node.args[0]].ty.shape)


#: For ``ExportedProgramImporter.from_exported_program(custom_convert_map=...)``.
CONVERTERS: dict[str, Callable[[Any, Any], Any]] = {
    "_embedding_bag.default": _embedding_bag,
    "_embedding_bag_forward_only.default": _embedding_bag,
    "amax.default": _extreme(relax.op.max),
    "amin.default": _extreme(relax.op.min),
    "embedding_bag.padding_idx": _embedding_bag,
    "index.Tensor": _index,
    "linear.default": _linear,
    "stack.default": _stack,
    "sym_numel.default": _numel,
}
