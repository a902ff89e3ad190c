"""Builds functions that fill columns of one result, whose batch is open.

TVM's builder is used as such: its parser of scripts takes a second for a function of fifty blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

#: TVM's expressions carry no types.
Expr: TypeAlias = Any

#: Shape and dtype of a tensor; the word ``"batch"`` stands for the open batch.
Signature: TypeAlias = tuple[tuple[int | str, ...], str]


def i64(value: int) -> tirx.IntImm:
    """A number that counts elements."""
    return tirx.IntImm("int64", value)


def shifted(variable: Expr, by: int) -> Expr:
    """``variable + by``."""
    return variable + i64(by) if by else variable


class Columns:
    """The function that is being built, for code that adds blocks to it."""

    def __init__(self, arguments: Sequence[Signature], width: int, dtype: str) -> None:
        self._batch = tirx.Var("batch", "int64")
        handles = [tir.arg(f"p{i}", tir.handle()) for i in range(len(arguments))]
        last = tir.arg("p_out", tir.handle())
        #: Tensors that are read.
        self.arguments = [
            tir.match_buffer(handle, [self._extent(d) for d in shape], kind)
            for handle, (shape, kind) in zip(handles, arguments, strict=True)
        ]
        #: The result ``[batch, width]``.
        self.out = tir.match_buffer(last, [self._batch, i64(width)], dtype)

    def temporary(self, width: int, dtype: str) -> Expr:
        """Room for ``[batch, width]``."""
        return tir.sblock_alloc_buffer([self._batch, i64(width)], dtype)

    def fill(self, name: str, start: int, width: int, value: Callable[[Expr, Expr], Expr]) -> None:
        """Set columns from `start` on to ``value(example, column)``, counted from there."""
        with tir.grid(self._batch, i64(width)) as (b, d), tir.sblock(name):
            vb, vd = tir.axis.remap("SS", [b, d])
            tir.buffer_store(self.out, value(vb, vd), [vb, _behind(start, vd)])

    def add_up(
        self,
        name: str,
        to: Expr,
        start: int,
        width: int,
        count: int,
        value: Callable[[Expr, Expr, Expr], Expr],
    ) -> None:
        """Set columns of `to` to sums of ``value(example, column, i)`` over `count` of ``i``."""
        dtype = str(to.ty.dtype)
        with tir.grid(self._batch, i64(width), i64(count)) as (b, d, i), tir.sblock(name):
            vb, vd, vi = tir.axis.remap("SSR", [b, d, i])
            place = [vb, _behind(start, vd)]
            with tir.init():
                tir.buffer_store(to, tirx.const(0, dtype), place)
            tir.buffer_store(to, to[tuple(place)] + value(vb, vd, vi), place)

    def _extent(self, extent: int | str) -> Expr:
        return self._batch if isinstance(extent, str) else i64(extent)


def columns_function(
    name: str,
    arguments: Sequence[Signature],
    width: int,
    dtype: str,
    pattern: int,
    body: Callable[[Columns], None],
) -> tirx.PrimFunc:
    """Build ``(argument..., out[batch, width])``.

    Parameters
    ----------
    pattern
        How it fuses, one of TVM's ``OpPatternKind``.
    body
        Adds the blocks.
    """
    with IRBuilder() as builder, tir.prim_func(is_private=True, s_tir=True):
        tir.func_name(name)
        tir.func_attr({"tirx.noalias": True, "op_pattern": pattern})
        body(Columns(arguments, width, dtype))
    return builder.get()


def _behind(start: int, column: Expr) -> Expr:
    return i64(start) + column
