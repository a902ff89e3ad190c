"""Reads a bucket's module as a straight line of kernels over values of known sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import prod

import numpy as np
import tvm
import tvm_ffi
from tvm import relax

from tuner.graph.rewrite import calls, constant_array, fixed
from tuner.workloads.extract import is_view


class NotStraight(Exception):
    """A graph that needs decisions or sizes of run time; the text says which."""


class Source(Enum):
    """Where the bytes of a value lie."""

    INPUT = "input"
    WEIGHT = "weight"
    CONSTANT = "constant"
    ACTIVATION = "activation"


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that kernels read or write; its views are the same value."""

    source: Source
    #: Position among the values of its source.
    index: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a kernel."""

    #: Name of the kernel in the module.
    kernel: str
    #: What it reads, then what it writes.
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """One result of the model."""

    value: Value
    shape: tuple[int, ...]
    dtype: str


@dataclass(slots=True)
class Graph:
    """The kernels of one bucket in the order they run."""

    steps: list[Step] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    constants: list[np.ndarray] = field(default_factory=list)
    #: Activations so far.
    activations: int = 0
    #: Size in bytes of each weight that ``main`` takes.
    weight_bytes: list[int] = field(default_factory=list)

    @property
    def weights(self) -> int:
        """Weights that ``main`` takes."""
        return len(self.weight_bytes)


def read_graph(mod: tvm.IRModule, num_inputs: int) -> Graph:
    """Follow ``main`` of a bucket's module.

    Raises
    ------
    NotStraight
        If a shape is open, or something other than a kernel runs.
    """
    return _Reader(mod, num_inputs).read()


#: What a variable stands for; a tuple for a tuple.
_Bound = Value | tuple["_Bound", ...]


class _Reader:
    def __init__(self, mod: tvm.IRModule, num_inputs: int) -> None:
        self._mod = mod
        self._main = mod["main"]
        self._graph = Graph()
        self._bound: dict[relax.Var, _Bound] = {}
        for i, var in enumerate(self._main.params):
            is_input = i < num_inputs
            source, index = (Source.INPUT, i) if is_input else (Source.WEIGHT, i - num_inputs)
            size = 0 if is_input else _nbytes(var.ty)
            if not is_input:
                self._graph.weight_bytes.append(size)
            self._bound[var] = Value(source, index, size)

    def read(self) -> Graph:
        for block in self._main.body.blocks:
            for binding in block.bindings:
                self._bound[binding.var] = self._evaluate(binding)
        result = self._value(self._main.body.body)
        types = self._main.ret_ty
        fields = list(types.fields) if isinstance(types, relax.TupleType) else [types]
        values = result if isinstance(result, tuple) else (result,)
        for value, kind in zip(values, fields, strict=True):
            if not isinstance(value, Value):
                raise NotStraight("an output is a tuple")
            shape, dtype = _shape(kind), str(kind.dtype)
            self._graph.outputs.append(Output(value, shape, dtype))
        return self._graph

    def _evaluate(self, binding: relax.Binding) -> _Bound:
        if not isinstance(binding, relax.VarBinding):
            raise NotStraight("a shape is matched at run time")
        value = binding.value
        if calls(value, "call_tir"):
            return self._call(value)
        return self._value(value)

    def _value(self, expr: relax.Expr) -> _Bound:
        if isinstance(expr, relax.Var):
            return self._bound[expr]
        if isinstance(expr, relax.Tuple):
            return tuple(self._value(f) for f in expr.fields)
        if isinstance(expr, relax.TupleGetItem):
            whole = self._value(expr.tuple_value)
            assert isinstance(whole, tuple)
            return whole[int(expr.index)]
        array = constant_array(expr)
        if array is None:
            raise NotStraight(f"it runs {_what(expr)}")
        known = self._graph.constants
        for i, other in enumerate(known):
            if other.dtype == array.dtype and np.array_equal(other, array):
                return Value(Source.CONSTANT, i, array.nbytes)
        known.append(np.ascontiguousarray(array))
        return Value(Source.CONSTANT, len(known) - 1, array.nbytes)

    def _call(self, call: relax.Call) -> _Bound:
        if len(call.args) > 2:
            raise NotStraight("a kernel takes a size of run time")
        name = str(call.args[0].name_hint)
        fields = [self._value(f) for f in call.args[1].fields]
        read = [f for f in fields if isinstance(f, Value)]
        if len(read) != len(fields):
            raise NotStraight("a kernel takes a tuple")
        func = self._mod[name]
        several = isinstance(call.ty, relax.TupleType)
        if not several and len(read) == 1 and is_view(func):
            return read[0]
        _check_kernel(name, func)
        kinds = list(call.ty.fields) if several else [call.ty]
        written = []
        for kind in kinds:
            written.append(Value(Source.ACTIVATION, self._graph.activations, _nbytes(kind)))
            self._graph.activations += 1
        self._graph.steps.append(Step(name, (*read, *written)))
        return tuple(written) if several else written[0]


def _check_kernel(name: str, func: tvm.tirx.PrimFunc) -> None:
    """A kernel may only compute: one that calls back into the runtime needs tensors, not memory."""
    for param in func.params:
        if not hasattr(param.ty, "shape") or any(fixed(d) is None for d in param.ty.shape):
            raise NotStraight(f"{name} has an open shape")
    outside: list[str] = []

    def visit(call: tvm.ir.Call) -> None:
        op = str(getattr(call.op, "name", call.op))
        if "packed" in op or "call_extern" in op:
            outside.append(op)

    tvm_ffi.structural_walk(func.body, (tvm.ir.Call, visit))
    if outside:
        raise NotStraight(f"{name} calls a function outside of it")


def _what(expr: relax.Expr) -> str:
    op = getattr(expr, "op", None)
    return str(getattr(op, "name", None) or type(expr).__name__).removeprefix("relax.")


def _shape(kind: relax.TensorType) -> tuple[int, ...]:
    extents: Sequence[int | None] = [fixed(d) for d in kind.shape or ()]
    if kind.shape is None or any(e is None for e in extents):
        raise NotStraight("a shape is open")
    return tuple(int(e or 0) for e in extents)


def _nbytes(kind: relax.TensorType) -> int:
    return prod(_shape(kind)) * np.dtype(str(kind.dtype)).itemsize
