"""What is done for each row of a result: sweeps over its columns, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import tvm

from tuner.kernels.rows.definitions import Definition, Expr

#: The axes of a definition, where it is read.
Bound: TypeAlias = dict[tvm.ir.Var, Expr]


@dataclass(slots=True)
class Scope:
    """Values that are computed once within an expression, in order."""

    bindings: list[tuple[tvm.ir.Var, Expr]] = field(default_factory=list)
    #: What each variable stands for: a definition and where it is read.
    known: list[tuple[Definition, Bound, tvm.ir.Var]] = field(default_factory=list)


@dataclass(slots=True)
class Column:
    """A reduction along another axis than the lanes: one result in each lane."""

    result: tvm.ir.Var
    definition: Definition
    #: Where it is read.
    bound: Bound
    #: Loops over what is reduced.
    loops: list[tuple[tvm.ir.Var, int]]
    scope: Scope = field(default_factory=Scope)
    value: Expr = None


@dataclass(slots=True)
class Kept:
    """A value in each lane that the sweeps of a row share."""

    result: tvm.ir.Var
    definition: Definition
    scope: Scope = field(default_factory=Scope)
    value: Expr = None


@dataclass(slots=True)
class Sweep:
    """One pass over the columns of a row; over one element if there is no lane."""

    #: Index of the column in all expressions here.
    lane: tvm.ir.Var | None
    start: int
    extent: int
    #: How many of the loops over rows it stands in.
    level: int = 0
    scope: Scope = field(default_factory=Scope)
    columns: list[Column] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    value: Expr = None
    #: Where the value is stored; None in a reduction.
    target: list[Expr] | None = None
    #: What is reduced, to one number.
    reduction: Column | None = None


@dataclass(slots=True)
class RowProgram:
    """What is done for each row, sweep by sweep."""

    #: Loops over rows, the outermost first.
    rows: list[tuple[tvm.ir.Var, Expr]]
    sweeps: list[Sweep]
    output: tvm.ir.Var
    #: Buffers that are read by the same index as the result is stored by: all rows are one.
    flat: bool = False


@dataclass(frozen=True, slots=True)
class ByRow:
    """What templates need to know of a row program."""

    #: Columns of the longest sweep.
    widest: int
    #: True if anything is reduced along the columns.
    reduces: bool
    #: Most reductions in each lane of one sweep.
    columns: int
