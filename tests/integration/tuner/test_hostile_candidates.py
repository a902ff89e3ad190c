"""Candidates that take their process down: each becomes a failure, the next one is unaffected."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tvm
from tvm.script import from_source
from tvm.script import tirx as script

from db import ErrorKind
from tuner.arch import host_arch
from tuner.measure import LocalMeasurer, MeasureOptions
from tuner.measure.compile import llvm_ir

_KERNEL = """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((64,), "float32"), out: T.Buffer((64,), "float32")):
    T.func_attr({{"tirx.noalias": True, "global_symbol": "main"}})
    for i in T.serial(64):
        with T.sblock("out"):
            vi = T.axis.spatial(64, i)
            out[vi] = x[vi] + T.float32(1)
    {more}
"""

_HOSTILE = {
    # libc's raise(SIGSEGV).
    "segfaults": ('T.evaluate(T.call_extern("int32", "raise", 11))', ErrorKind.RUN_CRASH),
    "aborts": ('T.evaluate(T.call_extern("void", "abort"))', ErrorKind.RUN_CRASH),
    "ends the process": ('T.evaluate(T.call_extern("void", "exit", 0))', ErrorKind.RUN_CRASH),
    "never ends": (
        'T.evaluate(T.call_extern("uint32", "sleep", T.uint32(4000000)))',
        ErrorKind.RUN_TIMEOUT,
    ),
    "allocates 100 GB": (
        'T.evaluate(T.call_extern("handle", "memset", '
        'T.call_extern("handle", "TVMBackendAllocWorkspace", 1, 0, T.uint64(107374182400), 2, 32), '
        "1, T.int64(107374182400)))",
        ErrorKind.RUN_ERROR,
    ),
    "writes out of bounds": ("out[70] = T.float32(7)", ErrorKind.WRONG_RESULT),
    "writes far out of bounds": ("out[1099511627776] = T.float32(7)", ErrorKind.RUN_CRASH),
}


def function(more: str = "T.evaluate(0)") -> tvm.tirx.PrimFunc:
    return from_source(_KERNEL.format(more=more), extra_vars={"T": script})


def compiled(more: str = "T.evaluate(0)") -> str:
    return llvm_ir(tvm.IRModule({"main": function(more)}), host_arch())


@pytest.fixture(scope="module")
def measurer() -> Iterator[LocalMeasurer]:
    options = MeasureOptions(
        # As many seconds as a sound candidate may take on a busy machine; and memory that is less
        # than any hostile one asks for, on a large machine, too.
        min_repeat_s=0.001, repeats=3, run_deadline_s=30.0, memory_bytes=8 << 30,
    )  # fmt: skip
    made = LocalMeasurer(options)
    yield made
    made.close()


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_candidate_is_a_failure(measurer: LocalMeasurer, name: str) -> None:
    more, kind = _HOSTILE[name]
    tir, sound = tvm.ir.save_json(function()), compiled()
    hostile = compiled(more)
    assert measurer.run("w", tir, sound, best=None).failure is None
    failed = measurer.run("w", tir, hostile, best=None)
    assert failed.run_secs == ()
    assert failed.failure is not None
    assert failed.failure.kind is kind, failed.failure
    assert failed.failure.text
    after = measurer.run("w", tir, sound, best=None)
    assert after.failure is None
    assert after.error is not None
