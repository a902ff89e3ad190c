"""Compiles one bucket: each kernel by its best record's trace, or by its default schedule."""

from __future__ import annotations

import time
from dataclasses import dataclass

import tvm
from tvm import relax

from db import BestRecord, CpuArch
from runtime.lookup import Lookup
from runtime.report import BucketReport, KernelReport
from tuner.arch import target_of
from tuner.errors import InvalidSchedule
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import PreparedModel
from tuner.measure.compile import schedule
from tuner.workloads import KernelUse, extract_workloads


@dataclass(frozen=True, slots=True)
class CompiledBucket:
    """An executable for one batch size; immutable, shared by all threads."""

    batch: int
    executable: relax.VMExecutable
    report: BucketReport


def compile_bucket(
    prepared: PreparedModel, batch: int, arch: CpuArch, lookup: Lookup
) -> CompiledBucket:
    """Compile `prepared` for one batch size.

    ``main`` of the executable takes the inputs and then one tuple of all packed weights.
    """
    start = time.perf_counter()
    mod = bucket_module(prepared, batch)
    uses = extract_workloads(mod)
    records = lookup(uses, arch)
    kernels = []
    for use in uses:
        func, kernel = _kernel(use, arch, records.get(use.workload.digest))
        kernels.append(kernel)
        for name in use.functions:
            mod[name] = func.without_attr("global_symbol")
    mod = relax.transform.BundleModelParams()(mod)
    executable = tvm.compile(mod, target=target_of(arch))
    report = BucketReport(batch, tuple(kernels), time.perf_counter() - start)
    return CompiledBucket(batch, executable, report)


def _kernel(
    use: KernelUse, arch: CpuArch, record: BestRecord | None
) -> tuple[tvm.tirx.PrimFunc, KernelReport]:
    workload = use.workload
    reason = ""
    if record is not None:
        try:
            func = schedule(use.func, arch, trace=record.trace).mod["main"]
        except InvalidSchedule as error:
            reason = f"its record does not apply: {error}"
        else:
            return func, KernelReport(
                workload.digest,
                workload.name,
                workload.op_kind,
                use.calls,
                "record",
                expected_secs=record.run_secs,
                default_secs=record.default_secs,
                strategy=record.strategy,
                recorded_at=record.recorded_at.isoformat(),
            )
    func = schedule(use.func, arch).mod["main"]
    return func, KernelReport(
        workload.digest, workload.name, workload.op_kind, use.calls, "default", reason
    )
