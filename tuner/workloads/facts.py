"""What a function computes and moves, read off its blocks before any schedule."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from math import prod

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from tuner.kernels.rows import ByRow, by_row

_REDUCE = 2
#: Extent put in for a dimension that stays open, such as the length of a list of indices.
OPEN_EXTENT = 1024

#: Kind of operator by the block that defines it; first match wins.
_KINDS = (
    (r"dense_narrow", "dense_narrow"),
    (r"dense", "dense"),
    (r"batched_matmul", "batched_matmul"),
    (r"dots_\d+", "pair_dots"),
    (r"bag(_from_offsets|_\d+)?", "embedding_bag"),
    (r"gather\d*|row_\d+|pick_pairs", "gather"),
    (r"T_softmax_norm", "softmax"),
    (r"T_layer_norm", "layer_norm"),
)

#: Kinds whose kernels may go row by row.
ROW_KINDS = ("elementwise", "reduction", "softmax", "layer_norm", "concat")

#: Blocks that move data and compute nothing.
_MOVES = re.compile(
    r"(copy_|row_|gather|pack|pick|.*_unpad$|T_(reshape|transpose|strided_slice|squeeze|expand_dims"
    r"|concat|split|broadcast_to))"
)
#: Blocks that read one row of a table for each element of their index.
_READS_ROWS = re.compile(r"bag|bag_\d+|row_\d+|gather\d*")


@dataclass(frozen=True, slots=True)
class Argument:
    """One buffer of a function."""

    shape: tuple[int, ...]
    dtype: str
    #: Values have to be in ``[0, rows)`` because they index an axis of that extent; 0 if free.
    rows: int = 0
    #: True if rows of it are picked by another argument.
    table: bool = False

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
    #: How the kernel goes row by row; None if it does not.
    by_row: ByRow | None = None

    @property
    def name(self) -> str:
        """One line for people, e.g. ``dense 16x512x256 add relu float32``."""
        output = self.arguments[self.output]
        anchor = self.extents.get(self.op_kind)
        if self.op_kind == "pair_dots":
            vectors = "x".join(map(str, self.arguments[0].shape))
            copies = self._summary([b for b in self.extents if b.startswith("copy_")])
            words = [self.op_kind, vectors, "to", str(output.shape[1]), copies, output.dtype]
            return " ".join(w for w in words if w)
        if anchor is None:
            size = "x".join(map(str, output.shape))
            return f"{self._summary(list(self.extents))} {size} {output.dtype}"
        if self.op_kind == "dense_narrow":
            anchor = (*anchor[:2], self.arguments[0].shape[-1])
        elif f"{self.op_kind}_unpad" in self.extents:
            anchor = (*self.extents[f"{self.op_kind}_unpad"], anchor[-1])
        behind = list(self.extents)[list(self.extents).index(self.op_kind) + 1 :]
        rest = [b for b in behind if not b.endswith("_unpad") and b != "dense_narrow_sum"]
        words = [self.op_kind, "x".join(map(str, anchor)), self._summary(rest), output.dtype]
        return " ".join(w for w in words if w)

    @staticmethod
    def _summary(blocks: list[str]) -> str:
        """Blocks by kind, e.g. ``copy*2+bag*26``."""
        kinds = Counter(re.sub(r"_?\d+$", "", b.removeprefix("T_")) for b in blocks)
        return "+".join(kind if n == 1 else f"{kind}*{n}" for kind, n in kinds.items())


def facts_of(func: tirx.PrimFunc) -> Facts:
    """Read the facts of an unscheduled function."""
    blocks = _blocks(func)
    extents = {
        str(b.name_hint): tuple(_extent(v.dom.extent) for v in b.iter_vars) for b in blocks
    }  # fmt: skip
    params = [p for p in func.params if hasattr(p.ty, "shape")]
    limits, tables = _lookups(func)
    arguments = tuple(
        Argument(
            tuple(_extent(d) for d in p.ty.shape), str(p.ty.dtype), limits.get(i, 0), i in tables
        )
        for i, p in enumerate(params)
    )
    kind = _kind(blocks, extents)
    return Facts(
        op_kind=kind,
        extents=extents,
        arguments=arguments,
        flops=_flops(blocks, extents, arguments),
        bytes=_bytes(extents, arguments),
        output=len(arguments) - 1,
        by_row=by_row(func) if kind in ROW_KINDS else None,
    )


def _kind(blocks: list[tvm.s_tir.SBlock], extents: dict[str, tuple[int, ...]]) -> str:
    for pattern, kind in _KINDS:
        if any(re.fullmatch(pattern, name) for name in extents):
            return kind
    if all(name.startswith("copy_") for name in extents):
        return "concat"
    return "reduction" if any(map(_reduces, blocks)) else "elementwise"


def _extent(extent: object) -> int:
    return int(extent) if isinstance(extent, (int, tirx.IntImm)) else OPEN_EXTENT


def _blocks(func: tirx.PrimFunc) -> list[tvm.s_tir.SBlock]:
    found: list[tvm.s_tir.SBlock] = []

    def visit(block: tvm.s_tir.SBlock) -> None:
        if str(block.name_hint) != "root":
            found.append(block)

    tvm_ffi.structural_walk(func.body, (tvm.s_tir.SBlock, visit))
    return found


def _reduces(block: tvm.s_tir.SBlock) -> bool:
    return any(int(v.iter_type) == _REDUCE for v in block.iter_vars)


def _flops(
    blocks: list[tvm.s_tir.SBlock],
    extents: dict[str, tuple[int, ...]],
    arguments: tuple[Argument, ...],
) -> float:
    total = 0.0
    for block in blocks:
        name = str(block.name_hint)
        axes = extents[name]
        if _MOVES.match(name) or name == "dense_narrow_sum":
            continue
        if name == "dense_narrow":
            total += 2.0 * prod(axes[:2]) * arguments[0].shape[-1]
        elif name == "bag_from_offsets":
            total += 1.0 * arguments[1].shape[0] * arguments[0].shape[1]
        elif f"{name}_unpad" in extents:
            total += 2.0 * prod(extents[f"{name}_unpad"]) * axes[-1]
        else:
            total += (2.0 if _multiplies(name) else 1.0) * prod(axes)
    return total


def _multiplies(name: str) -> bool:
    """True for sums of products."""
    return name in ("dense", "batched_matmul") or "matmul" in name or name.startswith("dots_")


def _bytes(extents: dict[str, tuple[int, ...]], arguments: tuple[Argument, ...]) -> float:
    dense = sum(a.nbytes for a in arguments if not a.table)
    itemsize = max((np.dtype(a.dtype).itemsize for a in arguments if a.table), default=0)
    elements = sum(prod(axes) for name, axes in extents.items() if _READS_ROWS.fullmatch(name))
    if "bag_from_offsets" in extents:
        elements += arguments[1].shape[0] * arguments[0].shape[1]
    return float(dense + elements * itemsize)


def _lookups(func: tirx.PrimFunc) -> tuple[dict[int, int], set[int]]:
    """Which parameters hold row numbers, and which are the tables they pick from.

    Returns
    -------
    Smallest extent that each of the first indexes, and the second, all by position.
    """
    positions = {p: i for i, p in enumerate(func.params)}
    limits: dict[int, int] = {}
    tables: set[int] = set()

    def note(buffer: tvm.ir.Var, indices: list[tvm.ir.Expr]) -> None:
        for index, extent in zip(indices, buffer.ty.shape, strict=False):
            if not isinstance(extent, tirx.IntImm):
                continue

            def inner(part: tvm.ir.TensorLoad, extent: int = int(extent)) -> None:
                if part.source in positions:
                    at = positions[part.source]
                    limits[at] = min(limits.get(at, extent), extent)
                    if buffer in positions:
                        tables.add(positions[buffer])

            tvm_ffi.structural_walk(index, (tvm.ir.TensorLoad, inner))

    tvm_ffi.structural_walk(
        func.body,
        [
            (tvm.ir.TensorLoad, lambda load: note(load.source, load.indices)),
            (tirx.BufferStore, lambda store: note(store.buffer, store.indices)),
        ],
    )
    return limits, tables
