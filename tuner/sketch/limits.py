"""What LLVM would be handed: candidates that cannot fit are turned down before it sees them.

Sketches may unroll and vectorize into more code than the instruction cache holds and more
accumulators than there are registers, and LLVM takes longer over one such candidate than over
thirty others. TVM's own passes say in milliseconds what the code would be, so it is counted rather
than guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from tuner.arch import Simd

#: Accesses to memory in the whole function: about 32 KiB of code, the first instruction cache.
MAX_ACCESSES = 4096
#: Registers in one vector: longer ones are cut by LLVM, and spill.
MAX_VECTOR = 4

#: From a schedule to loops, vectors and unrolled statements, as `tvm.compile` does it.
_LOWER = tvm.transform.Sequential(
    [
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.CompactBufferAllocation(),
        s_tir.transform.LowerMatchBuffer(),
        s_tir.transform.StmtSimplify(),
        s_tir.transform.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
        tirx.transform.NarrowDataType(32),
        s_tir.transform.LoopPartition(),
        tirx.transform.VectorizeLoop(True),
        tirx.transform.StorageRewrite(),
        tirx.transform.UnrollLoop(),
        tirx.transform.StmtSimplify(),
    ]
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much code a schedule becomes on some CPU."""

    #: Loads and stores of registers; a vector that is not contiguous counts once per value.
    accesses: int
    #: Registers that the longest vector takes.
    vector: int
    #: Registers that the innermost loops would have to keep between two steps, at most.
    accumulators: int


def effort_of(mod: tvm.IRModule, simd: Simd) -> Effort:
    """Lower a scheduled function and count.

    Raises
    ------
    tvm.error.TVMError
        If TVM cannot lower it.
    """
    body = _LOWER(mod)["main"].body
    accesses = vector = 0

    def note(lanes: int, index: tvm.ir.Expr) -> None:
        nonlocal accesses, vector
        accesses += _registers(lanes, simd) if lanes == 1 or _contiguous(index) else lanes
        vector = max(vector, _registers(lanes, simd))

    tvm_ffi.structural_walk(
        body,
        [
            (tvm.ir.TensorLoad, lambda load: note(_lanes(load.indices[-1]), load.indices[-1])),
            (tirx.BufferStore, lambda store: note(_lanes(store.indices[-1]), store.indices[-1])),
        ],
    )
    return Effort(accesses, vector, _accumulators(body, simd))


def too_much(effort: Effort, simd: Simd) -> str:
    """Why a candidate is turned down: ``code``, ``vector`` or ``registers``; empty if it fits."""
    if effort.accesses > MAX_ACCESSES:
        return "code"
    if effort.vector > MAX_VECTOR:
        return "vector"
    # Half as many again still pays where LLVM keeps loads in the operands of multiplications.
    return "registers" if effort.accumulators > simd.registers * 3 // 2 else ""


def _accumulators(body: tirx.Stmt, simd: Simd) -> int:
    """Vectors that some innermost loop reads and writes back at places that stay the same."""
    most = 0

    def loop(node: tirx.For) -> None:
        nonlocal most
        if not _contains_loop(node.body):
            most = max(most, sum(_kept(node, simd).values()))

    tvm_ffi.structural_walk(body, (tirx.For, loop))
    return most


def _contains_loop(body: tirx.Stmt) -> bool:
    found: list[tirx.For] = []
    tvm_ffi.structural_walk(body, (tirx.For, found.append))
    return bool(found)


def _kept(node: tirx.For, simd: Simd) -> dict[str, int]:
    """Registers by place, for the stores of a loop whose place does not depend on its variable."""
    kept: dict[str, int] = {}

    def store(stmt: tirx.BufferStore) -> None:
        index = stmt.indices[-1]
        if not _uses(index, node.loop_var):
            kept[f"{stmt.buffer.name}[{index}]"] = _registers(_lanes(index), simd)

    tvm_ffi.structural_walk(node.body, (tirx.BufferStore, store))
    return kept


def _uses(expr: tvm.ir.Expr, variable: tvm.ir.Var) -> bool:
    found: list[bool] = []
    tvm_ffi.structural_walk(expr, (tvm.ir.Var, lambda v: found.append(v.same_as(variable))))
    return any(found)


def _lanes(index: tvm.ir.Expr) -> int:
    return int(tvm.DataType(str(index.ty.dtype)).lanes)


def _contiguous(index: tvm.ir.Expr) -> bool:
    return isinstance(index, tirx.Ramp) and int(index.stride) == 1


def _registers(lanes: int, simd: Simd) -> int:
    return -(-lanes // simd.lanes)
