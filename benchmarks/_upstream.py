"""TVM's own `tune_relax` on a model, for as long as one likes, measured by our measurer.

``python -m benchmarks._upstream MODEL BATCH WORK_DIR`` tunes until it is killed: upstream takes a
number of trials, not a time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import tvm
from tvm import relax
from tvm.s_tir import meta_schedule
from tvm.s_tir.meta_schedule import relax_integration
from tvm_ffi import structural_equal

from db import CpuArch
from tuner.arch import host_arch, target_of
from tuner.importers import import_model
from tuner.measure import LocalBuilder, LocalMeasurer, MeasureOptions
from tuner.measure.compile import trace_text
from tuner.workloads.digest import function_digest

#: More than any run here lasts.
_TRIALS = 1_000_000
#: Candidates of a task in one round. With upstream's 64 a task takes minutes to its first schedule,
#: LLVM compiling unrolled candidates, and a model of 37 tasks more than an hour: fewer is kinder.
_ROUND = 4
#: File that says that everything is imported: time counts from here.
_READY = "ready"
#: Folder of what its processes import first.
_SITE = Path(__file__).parent / "_upstream_site"


@dataclass(frozen=True, slots=True)
class Upstream:
    """What `tune_relax` came to."""

    #: Seconds of one inference in its best kernels, as our measurer has it.
    latency: float
    #: Candidates it measured.
    trials: int
    #: Tasks of the model, and how many of them it has a schedule for.
    tasks: int
    tuned: int


def module(model: Path, batch: int) -> tvm.IRModule:
    """The model as somebody who knows TVM, but not us, would tune it: weights are constants."""
    imported = import_model(model)
    mod = imported.mod
    if imported.batch_var is not None:
        mod = relax.transform.BindSymbolicVars({imported.batch_var: batch}, "main")(mod)
    variables = mod["main"].params[len(imported.inputs) :]
    weights = {
        v.name: tvm.runtime.tensor(array)
        for v, array in zip(variables, imported.params.values(), strict=True)
    }
    passes = [
        # What is done to a weight alone, such as transposing it, is done once.
        relax.transform.BindParams("main", weights),
        relax.transform.SpecializePrimFuncBasedOnCallSite(),
        relax.transform.LegalizeOps(),
        relax.transform.AnnotateTIROpPattern(),
        relax.transform.FoldConstant(),
        relax.transform.FuseOps(),
        relax.transform.FuseTIR(),
        relax.transform.DeadCodeElimination(["main"]),
    ]
    return tvm.transform.Sequential(passes)(mod)


def tune(model: Path, batch: int, seconds: float, options: MeasureOptions) -> Upstream:
    """Tune for `seconds`, then measure the best schedule of each task."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks._upstream", str(model), str(batch), folder]
        with subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            _wait(process, 600.0, Path(folder) / _READY)
            _wait(process, seconds)
            if process.returncode not in (None, 0):
                raise RuntimeError(f"tune_relax ended with {process.returncode}")
            # Its workers would outlive it.
            for worker in psutil.Process(process.pid).children(recursive=True):
                worker.kill()
            process.kill()
        return _measured(module(model, batch), Path(folder), host_arch(), options)


def environment() -> dict[str, str]:
    """Environment of a process in which upstream tunes."""
    paths = [str(_SITE), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _wait(process: subprocess.Popen[bytes], seconds: float, file: Path | None = None) -> None:
    """Wait for `seconds`, for the end of a process, or for a file."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        if file is not None and file.exists():
            return
        time.sleep(0.2)


def _measured(
    mod: tvm.IRModule, work_dir: Path, arch: CpuArch, options: MeasureOptions
) -> Upstream:
    records = _records(work_dir)
    tasks = relax_integration.extract_tasks(mod, target_of(arch))
    builder, measurer = LocalBuilder(options), LocalMeasurer(options)
    latency, tuned = 0.0, 0
    try:
        for task in tasks:
            func = task.dispatched[0]["main"]
            mine = [
                (min(float(s) for s in r.run_secs), r)
                for r in records
                if structural_equal(r.workload.mod, task.dispatched[0])
            ]
            best = min(mine, key=lambda pair: pair[0], default=None)
            trace = None if best is None else trace_text(best[1].trace)
            tuned += trace is not None
            tir = tvm.ir.save_json(func)
            built = builder.build(tir, arch, config=None, trace=trace)
            if built.code is None:
                raise RuntimeError(f"{task.task_name} does not build: {built.failure}")
            ran = measurer.run(function_digest(func), tir, built.code, best=None)
            latency += int(task.weight) * ran.median
    finally:
        builder.close()
        measurer.close()
    return Upstream(latency, len(records), len(tasks), tuned)


def _records(work_dir: Path) -> list[meta_schedule.database.TuningRecord]:
    """Records of the database that `tune_relax` left, less a line that it was killed in."""
    files = [work_dir / f"database_{name}.json" for name in ("workload", "tuning_record")]
    if not all(file.exists() for file in files):
        return []
    for file in files:
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in lines if line.endswith("\n")))
    database = meta_schedule.database.JSONDatabase(*map(str, files))
    ran = [r for r in database.get_all_tuning_records() if r.run_secs is not None]
    return [r for r in ran if all(float(s) < 1e9 for s in r.run_secs)]


def main() -> None:
    """Tune until killed."""
    import tvm.s_tir.tensor_intrin  # noqa: F401

    model, batch, work_dir = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    mod = module(model, batch)
    (Path(work_dir) / _READY).touch()
    relax_integration.tune_relax(
        mod,
        {},
        target_of(host_arch()),
        work_dir,
        max_trials_global=_TRIALS,
        num_trials_per_iter=_ROUND,
        seed=0,
    )


if __name__ == "__main__":
    main()
