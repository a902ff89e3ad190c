"""What a function computes and moves, read off its blocks before any schedule."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

_REDUCE = 2
#: Extent put in for a dimension that stays open, such as the length of a list of indices.
OPEN_EXTENT = 1024

#: Name of the operator kind by the block that defines it; first match wins.
_KINDS = (
    ("dense_narrow", "dense_narrow"),
    ("dense", "dense"),
    ("batched_matmul", "batched_matmul"),
    ("bag_from_offsets", "embedding_bag"),
    ("bag", "embedding_bag"),
    ("bag_0", "embedding_bag"),
)


@dataclass(frozen=True, slots=True)
class Argument:
    """One buffer of a function."""

    shape: tuple[int, ...]
    dtype: str
    #: Values have to be in ``[0, rows)`` because they index an axis of that extent; 0 if free.
    rows: int = 0

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about one workload."""

    op_kind: str
    #: Extents of each block's axes, spatial and reduction, by block name, in order.
    extents: dict[str, tuple[int, ...]]
    #: Inputs, then the output.
    arguments: tuple[Argument, ...]
    #: Floating-point operations of one call; an FMA counts two, padding counts nothing.
    flops: float
    #: Bytes that have to be read or written at least once in a call.
    bytes: float
    #: Position of the output among `arguments`.
    output: int

    @property
    def name(self) -> str:
        """One line for people, e.g. ``dense 16x512x256 add relu float32``."""
        blocks = [b for b in self.extents if not b.endswith("_unpad")]
        anchor = self.extents.get(self.op_kind)
        if self.op_kind == "embedding_bag":
            bags = [b for b in blocks if b.startswith("bag")]
            size = "x".join(map(str, self.extents[bags[0]]))
            return f"embedding_bag {len(bags)}x({size}) {self.arguments[self.output].dtype}"
        if anchor is None:
            return f"{'+'.join(blocks)} {self._size()}"
        size = "x".join(map(str, anchor))
        rest = [b.removeprefix("T_") for b in blocks[blocks.index(self.op_kind) + 1 :]
                if b != "dense_narrow_sum"]  # fmt: skip
        return " ".join([self.op_kind, size, *rest, self.arguments[self.output].dtype])

    def _size(self) -> str:
        output = self.arguments[self.output]
        return f"{'x'.join(map(str, output.shape))} {output.dtype}"


def facts_of(func: tirx.PrimFunc) -> Facts:
    """Read the facts of an unscheduled function."""
    blocks = _blocks(func)
    extents = {str(b.name_hint): tuple(_extent(v.dom.extent) for v in b.iter_vars) for b in blocks}
    params = [p for p in func.params if hasattr(p.ty, "shape")]
    limits = _index_limits(func)
    arguments = tuple(
        Argument(tuple(_extent(d) for d in p.ty.shape), str(p.ty.dtype), limits.get(i, 0))
        for i, p in enumerate(params)
    )
    kind = next((kind for block, kind in _KINDS if block in extents or
                 (block == "bag_0" and any(_numbered(e) for e in extents))), "other")  # fmt: skip
    return Facts(
        op_kind=kind,
        extents=extents,
        arguments=arguments,
        flops=_flops(blocks, extents),
        bytes=_bytes(blocks, extents, arguments, limits),
        output=len(arguments) - 1,
    )


def _numbered(name: str) -> bool:
    return name.startswith("bag_") and name[4:].isdigit()


def _extent(extent: object) -> int:
    return int(extent) if isinstance(extent, (int, tirx.IntImm)) else OPEN_EXTENT


def _blocks(func: tirx.PrimFunc) -> list[tvm.s_tir.SBlock]:
    found: list[tvm.s_tir.SBlock] = []

    def visit(block: tvm.s_tir.SBlock) -> None:
        if str(block.name_hint) != "root":
            found.append(block)

    tvm_ffi.structural_walk(func.body, (tvm.s_tir.SBlock, visit))
    return found


def _flops(blocks: list[tvm.s_tir.SBlock], extents: dict[str, tuple[int, ...]]) -> float:
    total = 0.0
    for block in blocks:
        name = str(block.name_hint)
        axes = extents[name]
        reduces = any(int(v.iter_type) == _REDUCE for v in block.iter_vars)
        if name.startswith(("copy_", "gather", "pack")) or name.endswith("_unpad"):
            continue
        if f"{name}_unpad" in extents:
            useful = extents[f"{name}_unpad"]
            total += 2.0 * prod(useful) * axes[-1]
        else:
            total += (2.0 if reduces else 1.0) * prod(axes)
    return total


def _bytes(
    blocks: list[tvm.s_tir.SBlock],
    extents: dict[str, tuple[int, ...]],
    arguments: tuple[Argument, ...],
    limits: dict[int, int],
) -> float:
    indexed = {rows for rows in limits.values() if rows}
    dense = [a for a in arguments if not (a.shape and a.shape[0] in indexed and len(a.shape) > 1)]
    rows_read = sum(
        4.0 * prod(extents[str(b.name_hint)])
        for b in blocks
        if str(b.name_hint).startswith(("bag", "gather"))
    )
    return float(sum(a.nbytes for a in dense)) + rows_read


def _index_limits(func: tirx.PrimFunc) -> dict[int, int]:
    """Position of each integer parameter that is used as an index -> smallest extent it indexes."""
    positions = {p: i for i, p in enumerate(func.params)}
    limits: dict[int, int] = {}

    def note(buffer: tvm.ir.Var, indices: list[tvm.ir.Expr]) -> None:
        for index, extent in zip(indices, buffer.ty.shape, strict=False):
            if not isinstance(extent, tirx.IntImm):
                continue

            def inner(part: tvm.ir.TensorLoad, extent: int = int(extent)) -> None:
                if part.source in positions:
                    at = positions[part.source]
                    limits[at] = min(limits.get(at, extent), extent)

            tvm_ffi.structural_walk(index, (tvm.ir.TensorLoad, inner))

    tvm_ffi.structural_walk(
        func.body,
        [
            (tvm.ir.TensorLoad, lambda load: note(load.source, load.indices)),
            (tirx.BufferStore, lambda store: note(store.buffer, store.indices)),
        ],
    )
    return limits
