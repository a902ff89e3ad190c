"""TVM's own `tune_tir` on some functions, with its own builder and runner, for a time each.

``python -m benchmarks._tune_tir FOLDER SECONDS`` tunes every ``*.tir`` of a folder (TVM JSON text),
and writes what came of it beside it. What upstream imports first is not counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tvm
from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule

from benchmarks._upstream import environment
from tuner.arch import host_arch, target_of
from tuner.measure.compile import trace_text

#: Candidates that it builds, and then runs, at a time; its default, 64, may take minutes.
_BATCH = 16
#: More than any run here lasts.
_TRIALS = 100_000


@dataclass(frozen=True, slots=True)
class Tuned:
    """What `tune_tir` came to."""

    #: Candidates that ran.
    trials: int
    #: Seconds it took: the batch in which time ran out is finished.
    secs: float
    #: Its best schedule, JSON text; None if none ran.
    trace: str | None


class _TimeUpError(Exception):
    """Ends a search."""


@derived_object
class _Deadline(meta_schedule.measure_callback.PyMeasureCallback):  # type: ignore[misc]
    """Ends the search after the batch in which time runs out."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self._end = end

    def apply(self, *_: object) -> None:
        """See `PyMeasureCallback.apply`."""
        if time.monotonic() > self._end:
            raise _TimeUpError


def tune(functions: Sequence[tvm.tirx.PrimFunc], seconds: float) -> list[Tuned]:
    """Tune functions one after the other, in a process of upstream's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, func in enumerate(functions):
            (folder / f"{i:02d}.tir").write_text(tvm.ir.save_json(func))
        command = [sys.executable, "-m", "benchmarks._tune_tir", name, str(seconds)]
        subprocess.run(
            command,
            check=True,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        files = sorted(folder.glob("*.tuned"))
        return [Tuned(**json.loads(file.read_text())) for file in files]


def _tune(func: tvm.tirx.PrimFunc, seconds: float) -> Tuned:
    mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
    database = meta_schedule.database.MemoryDatabase()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as work_dir:
        try:
            meta_schedule.tir_integration.tune_tir(
                mod,
                target_of(host_arch()),
                work_dir,
                _TRIALS,
                num_trials_per_iter=_BATCH,
                database=database,
                measure_callbacks=[
                    meta_schedule.measure_callback.AddToDatabase(),
                    meta_schedule.measure_callback.RemoveBuildArtifact(),
                    meta_schedule.measure_callback.UpdateCostModel(),
                    _Deadline(start + seconds),
                ],
                seed=1,
            )
        except Exception as error:
            # TVM carries exceptions through C++ and may change their type on the way.
            if _TimeUpError.__name__ not in f"{type(error).__name__} {error}":
                raise
    secs = time.monotonic() - start
    records = database.get_all_tuning_records()
    times = [(min(float(s) for s in r.run_secs), i) for i, r in enumerate(records)]
    ran = sorted((t, i) for t, i in times if t < 1e9)
    return Tuned(len(ran), secs, trace_text(records[ran[0][1]].trace) if ran else None)


def main() -> None:
    """Tune what is in the folder."""
    import tvm.s_tir.tensor_intrin

    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    for file in sorted(folder.glob("*.tir")):
        tuned = _tune(tvm.ir.load_json(file.read_text()), seconds)
        file.with_suffix(".tuned").write_text(json.dumps(asdict(tuned)))


if __name__ == "__main__":
    main()
