"""Software prefetches of packed weights: what a tile multiplies next is asked for now.

Hardware prefetchers follow few streams and stop at pages' ends; a tile reads one stream per panel,
and beyond the L2 cache waits for them. A loop over K annotated with a `Stream` asks for the cache
line of each panel that the tile will need some steps later.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import tvm
from tvm import tirx
from tvm.s_tir import Schedule
from tvm.s_tir.schedule import LoopRV
from tvm.sym import Analyzer
from tvm_ffi import structural_map, structural_walk

from tuner.kernels.prefetch import bindings, headed, prefetch_call

#: Annotation of a loop: a `Stream` as JSON text.
STREAM = "tunefleet.stream"
#: Axes of packed weights: panel, step of K, lane.
_PACKED_AXES = 3


@dataclass(frozen=True, slots=True)
class Stream:
    """What a loop asks for ahead of time."""

    #: How far ahead, in steps of K.
    ahead: int
    #: Which cache the line goes to: 3 the first level, 2 the second.
    level: int

    def annotate(self, sch: Schedule, loop: LoopRV) -> None:
        """Have `insert_streams` prefetch in `loop`."""
        sch.annotate(loop, STREAM, json.dumps(asdict(self), sort_keys=True))


def insert_streams(mod: tvm.IRModule) -> tvm.IRModule:
    """Put prefetches at the head of each annotated loop of ``main``."""
    func = mod["main"]
    body = structural_map(func.body, (tirx.For, _with_prefetches))
    return tvm.IRModule({"main": func.with_body(body)})


def _with_prefetches(loop: tirx.For) -> tirx.For:
    if STREAM not in loop.annotations:
        return loop
    what = Stream(**json.loads(str(loop.annotations[STREAM])))
    return headed(loop, _prefetches(loop.body, what), STREAM)


def _prefetches(body: tirx.Stmt, what: Stream) -> list[tirx.Stmt]:
    """One call for each line of packed weights that one pass of the loop reads."""
    loops: list[tirx.For] = []
    bound = bindings(body)
    loads: list[tvm.ir.TensorLoad] = []
    structural_walk(body, (tirx.For, loops.append))
    structural_walk(body, (tvm.ir.TensorLoad, loads.append))
    weights = next(load for load in loads if len(load.indices) == _PACKED_AXES)
    panel, step, _ = (_replaced(index, bound) for index in weights.indices)
    lanes = {loop.loop_var for loop in loops if loop.kind == tirx.ForKind.VECTORIZED}
    used = [loop for loop in loops if _uses(panel, loop.loop_var) or _uses(step, loop.loop_var)]
    ranges = [[0] if f.loop_var in lanes else range(int(f.extent)) for f in used]
    analyzer = Analyzer()
    calls = []
    for place in itertools.product(*ranges):
        at = {f.loop_var: tirx.const(n, "int32") for f, n in zip(used, place, strict=True)}
        index = [analyzer.simplify(_replaced(i, at)) for i in (panel, step + what.ahead)]
        calls.append(prefetch_call(weights.source, [*index, tirx.const(0, "int32")], what.level))
    return calls


def _replaced(expr: tvm.ir.Expr, by: Mapping[tvm.ir.Var, tvm.ir.Expr]) -> tvm.ir.Expr:
    return structural_map(expr, (tvm.ir.Var, lambda v: by.get(v, v)))


def _uses(expr: tvm.ir.Expr, var: tvm.ir.Var) -> bool:
    found: list[tvm.ir.Var] = []
    structural_walk(expr, (tvm.ir.Var, found.append))
    return any(v.same_as(var) for v in found)
