"""Scheduling and compiling one function: in a builder's child, and for serving."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tvm
from tvm.s_tir import Schedule
from tvm.s_tir.schedule import Trace

from db import CpuArch, ErrorKind
from tuner.arch import simd_of, target_of
from tuner.errors import InvalidSchedule
from tuner.kernels import lower
from tuner.measure.types import BuildResult, Failure
from tuner.templates import scheduled
from tuner.templates.fallbacks import first_line
from tuner.workloads.facts import facts_of


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A function as it is to be compiled, and the trace that makes it so again."""

    mod: tvm.IRModule
    trace: Trace


def schedule(
    func: tvm.tirx.PrimFunc,
    arch: CpuArch,
    *,
    config: Mapping[str, int] | None = None,
    trace: str | None = None,
) -> Scheduled:
    """Schedule a function: by a `trace`, by a template's `config`, or by the template's default.

    Raises
    ------
    InvalidSchedule
        If it does not apply.
    """
    mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})

    def new() -> Schedule:
        return Schedule(mod, debug_mask="none")

    try:
        if trace is None:
            sch = scheduled(new, facts_of(func), simd_of(arch), config)
        else:
            sch = new()
            Trace.apply_json_to_schedule(json.loads(trace), sch)
        return Scheduled(lower(sch.mod), sch.trace)
    except Exception as error:
        raise InvalidSchedule(failure_line(error)) from error


def build_kernel(
    tir: str, arch: CpuArch, config: Mapping[str, int] | None, trace: str | None
) -> BuildResult:
    """Build one candidate in this process; see `tuner.measure.base.Builder`.

    Without `config` and `trace` the function is compiled as it is, for reference.
    """
    start = time.perf_counter()
    func = tvm.ir.load_json(tir)
    mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
    if config is not None or trace is not None:
        try:
            sch = schedule(func, arch, config=config, trace=trace)
        except InvalidSchedule as error:
            failure = Failure(ErrorKind.INVALID_SCHEDULE, str(error))
            return BuildResult(None, None, time.perf_counter() - start, failure)
        mod = sch.mod
        trace = trace or trace_text(sch.trace)
    try:
        code = llvm_ir(mod, arch)
    except Exception as error:
        failure = Failure(ErrorKind.BUILD_ERROR, failure_line(error))
        return BuildResult(None, trace, time.perf_counter() - start, failure)
    return BuildResult(code, trace, time.perf_counter() - start)


def llvm_ir(mod: tvm.IRModule, arch: CpuArch) -> str:
    """Compile a module of one kernel to optimised LLVM IR text."""
    built = tvm.compile(mod, target=target_of(arch))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ll"
        built.mod.write_to_file(str(path), "ll")
        return path.read_text()


def load_kernel(code: str) -> tvm.runtime.Module:
    """Load code made by `llvm_ir` on a CPU that can run it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ll"
        path.write_text(code)
        return tvm.runtime.load_module(str(path))


def trace_text(trace: Trace) -> str:
    """A trace as the database stores it and `schedule` replays it, JSON text."""
    return json.dumps(_plain(trace.as_json()))


def _plain(value: object) -> object:
    """TVM's containers as lists and numbers, for JSON."""
    if isinstance(value, (str, bool, float)) or value is None:
        return str(value) if isinstance(value, str) else value
    if isinstance(value, (int, tvm.tirx.IntImm)):
        return int(value)
    if isinstance(value, tvm.tirx.FloatImm):
        return float(value)
    if hasattr(value, "items"):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value]  # type: ignore[attr-defined]


def failure_line(error: BaseException) -> str:
    """The line of an error that says what happened; TVM prints stacks around it."""
    return f"{type(error).__name__}: {first_line(error)}"
