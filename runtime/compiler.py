"""Compiles one bucket: each kernel by its best record's trace, or by its default schedule."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import tvm
from tvm import relax

from db import CpuArch
from runtime.inputs import InputChecker
from runtime.lookup import Choice, Lookup
from runtime.program import NotStraight, Program, build_program
from runtime.quarantine import Quarantine
from runtime.report import BucketReport, KernelReport
from runtime.vm import VirtualMachines
from tuner.arch import target_of
from tuner.errors import InvalidSchedule
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import PreparedModel
from tuner.measure.compile import schedule
from tuner.workloads import KernelUse, extract_workloads


@dataclass(frozen=True, slots=True)
class CompiledBucket:
    """Code for one batch size, shared by all threads."""

    batch: int
    runner: Program | VirtualMachines
    report: BucketReport


def compile_bucket(
    prepared: PreparedModel, batch: int, arch: CpuArch, lookup: Lookup, quarantine: Quarantine
) -> CompiledBucket:
    """Compile `prepared` for one batch size."""
    start = time.perf_counter()
    mod = bucket_module(prepared, batch)
    uses = extract_workloads(mod)
    choices = lookup(uses, arch)
    kernels = []
    for use in uses:
        func, kernel = _kernel(use, arch, choices.get(use.workload.digest), quarantine)
        kernels.append(kernel)
        for name in use.functions:
            mod[name] = func.without_attr("global_symbol")
    runner = _runner(mod, prepared, batch, arch)
    reason = runner.reason if isinstance(runner, VirtualMachines) else ""
    report = BucketReport(batch, tuple(kernels), time.perf_counter() - start, reason)
    return CompiledBucket(batch, runner, report)


def _runner(
    mod: tvm.IRModule, prepared: PreparedModel, batch: int, arch: CpuArch
) -> Program | VirtualMachines:
    target = target_of(arch)
    try:
        return build_program(mod, prepared.model, batch, target).load()
    except NotStraight as error:
        executable = tvm.compile(relax.transform.BundleModelParams()(mod), target=target)
        return VirtualMachines(batch, executable, InputChecker(prepared.model), str(error))


def _kernel(
    use: KernelUse, arch: CpuArch, choice: Choice | None, quarantine: Quarantine
) -> tuple[tvm.tirx.PrimFunc, KernelReport]:
    workload = use.workload
    plain = KernelReport(workload.digest, workload.name, workload.op_kind, use.calls, "default")
    if choice is None:
        return schedule(use.func, arch).mod["main"], plain
    if quarantine.holds(choice):
        reason = "its record did not apply before"
        return schedule(use.func, arch).mod["main"], replace(plain, reason=reason)
    try:
        func = schedule(use.func, arch, config=choice.config, trace=choice.trace).mod["main"]
    except InvalidSchedule as error:
        quarantine.add(workload.digest, choice, str(error))
        reason = f"its {choice.served_by} does not apply: {error}"
        return schedule(use.func, arch).mod["main"], replace(plain, reason=reason)
    return func, replace(
        plain,
        served_by=choice.served_by,
        arch=choice.arch,
        expected_secs=choice.expected_secs,
        default_secs=choice.default_secs,
        strategy=choice.strategy,
        recorded_at=choice.recorded_at,
    )
