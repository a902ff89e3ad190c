"""What a kernel has to compute: the workload's definition in double precision, on several inputs.

The definition is also evaluated in its own precision, unscheduled. Where that is itself far from
double precision (a sum that cancels, an exponential that overflows), a candidate may be as far;
everywhere else it has to stay within the tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tvm

from tuner.arch import host_arch
from tuner.arena import Arena
from tuner.measure.compile import llvm_ir, load_kernel
from tuner.measure.data import edge_arguments, make_arguments
from tuner.workloads.facts import Facts

#: A candidate may be this much further from double precision than the definition is.
_SLACK = 4.0
#: Bytes on either side of the output that no kernel may touch.
GUARD = 4096
_GUARD_VALUE = 0xA5


@dataclass(slots=True)
class Case:
    """One set of inputs and what has to come out."""

    #: Tensors of the function's parameters, the output among them.
    arguments: list[tvm.runtime.Tensor]
    #: Position of the output among them.
    output: int
    #: ``float64``, in the shape of the output.
    expected: np.ndarray
    #: Largest difference that counts as equal, in the shape of the output.
    allowed: np.ndarray
    #: Largest finite magnitude of `expected`; 1 if that is 0.
    scale: float
    #: Bytes around the output.
    guards: list[np.ndarray]

    def check(self, kernel: tvm.runtime.Module) -> tuple[str, float | None]:
        """Run a kernel once and judge its output.

        Returns
        -------
        What is wrong, empty if nothing is; and the largest error relative to `scale`, infinite
        where only one side is finite.
        """
        output = np.from_dlpack(self.arguments[self.output])
        # What an earlier candidate computed must not pass for this one's result.
        output[...] = _poison(output.dtype)
        for guard in self.guards:
            guard[...] = _GUARD_VALUE
        kernel["main"](*self.arguments)
        if any((guard != _GUARD_VALUE).any() for guard in self.guards):
            return "writes beyond the ends of its output", None
        error = _errors(output.astype(np.float64), self.expected)
        worst = float(error[np.isfinite(self.allowed)].max(initial=0.0)) / self.scale
        wrong = error > self.allowed
        if not wrong.any():
            return "", worst
        return (
            f"{int(wrong.sum())} of {wrong.size} values are wrong, the worst by {worst:.3g} of "
            "the largest value"
        ), worst


def _errors(value: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Distances; infinite where only one side is a number, or is finite."""
    same = (value == expected) | (np.isnan(value) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        distance: np.ndarray = np.where(same, 0.0, np.abs(value - expected))
    distance[np.isnan(distance)] = np.inf
    return distance


def make_cases(func: tvm.tirx.PrimFunc, facts: Facts, tolerance: float) -> list[Case]:
    """Random inputs, and inputs full of edges: zeros, large and tiny values, first and last rows.

    Parameters
    ----------
    tolerance
        Allowed error relative to the largest magnitude of the expected output.

    Raises
    ------
    RuntimeError
        If the definition itself does not compile.
    """
    plain, double = _compile(func), _compile(in_double(func))
    normal = _case(plain, double, make_arguments(facts), facts.output, tolerance)
    if not np.isfinite(normal.expected).all():
        # A logarithm or a root: no values where most inputs lie.
        arguments = make_arguments(facts, positive=True)
        normal = _case(plain, double, arguments, facts.output, tolerance)
    edges = edge_arguments(facts, normal.arguments)
    return [normal, _case(plain, double, edges, facts.output, tolerance)]


def _compile(func: tvm.tirx.PrimFunc) -> tvm.runtime.Module:
    mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
    return load_kernel(llvm_ir(mod, host_arch()))


def _case(
    plain: tvm.runtime.Module,
    double: tvm.runtime.Module,
    arguments: list[tvm.runtime.Tensor],
    output: int,
    tolerance: float,
) -> Case:
    arguments = list(arguments)
    arguments[output], sides = _guarded(arguments[output])
    plain["main"](*arguments)
    own = arguments[output].numpy()
    wide = [_widened(a) for a in arguments]
    double["main"](*wide)
    exact = wide[output].numpy().astype(np.float64)
    with np.errstate(over="ignore"):
        # What overflows in the output's own type is infinite there.
        expected = np.where(np.isfinite(exact.astype(own.dtype)), exact, exact.astype(own.dtype))
    scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0)) or 1.0
    allowed = tolerance * scale + _SLACK * _errors(own.astype(np.float64), expected)
    return Case(arguments, output, expected, allowed, scale, sides)


def in_double(func: tvm.tirx.PrimFunc) -> tvm.tirx.PrimFunc:
    """The function with every ``float32`` made ``float64``; integers stay."""
    double: tvm.tirx.PrimFunc = tvm.ir.load_json(
        tvm.ir.save_json(func).replace("float32", "float64")
    )
    return double


def _widened(tensor: tvm.runtime.Tensor) -> tvm.runtime.Tensor:
    array = np.from_dlpack(tensor)
    return tvm.runtime.tensor(array.astype(np.float64)) if array.dtype == np.float32 else tensor


def _guarded(like: tvm.runtime.Tensor) -> tuple[tvm.runtime.Tensor, list[np.ndarray]]:
    """A tensor with bytes on either side that tell who wrote beyond its ends."""
    shape, dtype = tuple(like.shape), str(like.dtype)
    guard = ((GUARD,), "uint8")
    arena = Arena([guard, (shape, dtype), guard])
    before, tensor, behind = (arena.empty(*spec) for spec in (guard, (shape, dtype), guard))
    sides = [np.from_dlpack(before), np.from_dlpack(behind)]
    for side in sides:
        side[...] = _GUARD_VALUE
    return tensor, sides


def _poison(dtype: np.dtype) -> float | int | bool:
    if np.issubdtype(dtype, np.floating):
        return float("nan")
    return True if dtype.kind == "b" else int(np.iinfo(dtype).max)
