"""TVM itself writes what is imported, and reads what was exported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from db import open_store
from db.exchange import export_metaschedule, import_metaschedule
from db.testing.builders import ARCH, TOOLCHAIN

_COMMON = """
import sys, tvm
from tvm import te
from tvm.s_tir import Schedule, meta_schedule as ms
a = te.placeholder((16, 64), name="A")
b = te.placeholder((64, 32), name="B")
k = te.reduce_axis((0, 64), "k")
c = te.compute((16, 32), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
module = tvm.IRModule({"main": te.create_prim_func([a, b, c])})
database = ms.database.JSONDatabase(work_dir=sys.argv[1])
"""

_WRITE = """
workload = database.commit_workload(module)
target = tvm.target.Target({"kind": "llvm", "mcpu": sys.argv[2]})
args = ms.arg_info.ArgInfo.from_entry_func(module, False)
for factor in (2, 4):
    schedule = Schedule(module)
    loop = schedule.get_loops(schedule.get_sblock("C"))[0]
    schedule.split(loop, [None, factor])
    secs = [factor * 1e-5]
    database.commit_tuning_record(
        ms.database.TuningRecord(schedule.trace, workload, secs, target, args)
    )
"""

_READ = """
assert database.has_workload(module)
workload = database.commit_workload(module)
records = database.get_top_k(workload, 9)
assert [float(record.run_secs[0]) for record in records] == [2e-5, 4e-5]
assert all(record.target.attrs["mcpu"] == sys.argv[2] for record in records)
schedule = Schedule(module)
records[0].trace.apply_to_schedule(schedule, remove_postproc=False)
assert len(schedule.get_loops(schedule.get_sblock("C"))) == 4
"""


@pytest.mark.slow
def test_there_and_back(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    _tvm(_WRITE, theirs)
    with open_store(f"{tmp_path}/tunefleet.db") as store:
        report = import_metaschedule(store, theirs, toolchain=TOOLCHAIN, arch=ARCH)
        assert (report.inserted, report.torn) == (2, ())
        export_metaschedule(store, ours, arch=ARCH.name, measured=9)
    _tvm(_READ, ours)


def _tvm(code: str, folder: Path) -> None:
    command = [sys.executable, "-c", _COMMON + code, str(folder), ARCH.name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
