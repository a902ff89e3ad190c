"""Import and export of TVM MetaSchedule databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from db import CpuArch, NotFound, Store, Toolchain, Workload
from db.exchange import (
    EncodedWorkload,
    PlainCodec,
    WorkloadCodec,
    export_metaschedule,
    import_metaschedule,
)
from db.exchange.codec import ArgsInfo
from db.exchange.lines import encode_module
from db.testing.builders import ARCH, TOOLCHAIN, World, measurement, promotion

ARGS = [["TENSOR", "float32", [16, 64]], ["TENSOR", "float32", [64, 32]]]
MODULES = ['{"root_index": 1}', '{"root_index": 2}']


def _trace(number: int) -> list[Any]:
    return [[["Split", [f"l{number}"], [1, 0], ["l4"]]], []]


def _record(workload: int, number: int, secs: list[float] | None, mcpu: str | None) -> str:
    target = {"keys": ["cpu"], "kind": "llvm", **({"mcpu": mcpu} if mcpu else {})}
    return json.dumps([workload, [_trace(number), secs, target, ARGS]])


def _write(folder: Path, records: list[str], workloads: list[str] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    if workloads is None:
        workloads = [json.dumps(["1", encode_module(module)]) for module in MODULES]
    (folder / "database_workload.json").write_text("".join(f"{w}\n" for w in workloads))
    (folder / "database_tuning_record.json").write_text("".join(f"{r}\n" for r in records))
    return folder


def _import(store: Store, folder: Path, **changes: Any) -> Any:
    return import_metaschedule(store, folder, toolchain=TOOLCHAIN, arch=ARCH, **changes)


def _digest(number: int) -> str:
    return PlainCodec().decode(MODULES[number], ARGS).digest


def test_records_become_measurements(store: Store, tmp_path: Path) -> None:
    folder = _write(
        tmp_path / "ms",
        [_record(0, 1, [2e-5, 4e-5], ARCH.name), _record(1, 2, [1e-5], ARCH.name)],
    )
    report = _import(store, folder)
    assert (report.workloads, report.records, report.inserted, report.torn) == (2, 2, 2, ())
    (one,) = store.top_measurements(_digest(0), ARCH.name, TOOLCHAIN.key, 9)
    assert one.run_secs == (2e-5, 4e-5)
    assert json.loads(one.trace or "") == _trace(1)
    assert (one.job_id, one.strategy) == (None, "import")
    (workload,) = store.workloads([_digest(0)]).values()
    assert (workload.shapes, workload.dtype) == ([[16, 64], [64, 32]], "float32")


def test_nothing_imported_is_a_best_record(store: Store, tmp_path: Path) -> None:
    _import(store, _write(tmp_path / "ms", [_record(0, 1, [1e-5], ARCH.name)]))
    assert store.best_records(None, ARCH.name, None) == {}


def test_importing_twice_stores_once(store: Store, tmp_path: Path) -> None:
    folder = _write(tmp_path / "ms", [_record(0, n, [1e-5], ARCH.name) for n in range(300)])
    assert _import(store, folder).inserted == 300
    again = _import(store, folder)
    assert (again.records, again.inserted) == (300, 0)


def test_one_architecture_at_a_time(store: Store, tmp_path: Path) -> None:
    folder = _write(
        tmp_path / "ms",
        [
            _record(0, 1, [1e-5], ARCH.name),
            _record(0, 2, [1e-5], "haswell"),
            _record(0, 3, [1e-5], None),
        ],
    )
    assert _import(store, folder).other_archs == 2
    assert _import(store, folder, assume_arch=True).inserted == 1
    haswell = CpuArch("haswell", "x86-64-v3")
    report = import_metaschedule(store, folder, toolchain=TOOLCHAIN, arch=haswell)
    assert (report.inserted, report.other_archs) == (1, 2)


def test_failures_and_the_unmeasured(store: Store, tmp_path: Path) -> None:
    folder = _write(
        tmp_path / "ms",
        [_record(0, 1, [1e10], ARCH.name), _record(0, 2, None, ARCH.name)],
    )
    report = _import(store, folder)
    assert (report.inserted, report.unmeasured) == (1, 1)
    (failed,) = store.measured(_digest(0), ARCH.name, TOOLCHAIN.key).values()
    assert (failed.median, failed.error_kind) == (None, "run_error")


def test_torn_lines_are_counted_and_named(store: Store, tmp_path: Path) -> None:
    whole = _record(0, 1, [1e-5], ARCH.name)
    workloads = [json.dumps(["1", encode_module(module)]) for module in MODULES]
    folder = _write(
        tmp_path / "ms",
        [
            whole,
            whole[:40],
            whole[: len(whole) // 2] + whole,
            "",
            _record(1, 2, [1e-5], ARCH.name),
            _record(7, 3, [1e-5], ARCH.name),
            _record(2, 4, [1e-5], ARCH.name),
            _record(2, 5, [-1.0], ARCH.name),
        ],
        [workloads[0], workloads[1][:30], workloads[1]],
    )
    report = _import(store, folder)
    assert report.inserted == 2
    assert [":".join(line.split(":")[:2]) for line in report.torn] == [
        f"{folder}/database_workload.json:2",
        *(f"{folder}/database_tuning_record.json:{n}" for n in (2, 3, 5, 6, 8)),
    ]
    assert "its workload (line 2) is torn" in report.torn[3]
    # A torn workload keeps its place: the third is still the third.
    assert len(store.top_measurements(_digest(1), ARCH.name, TOOLCHAIN.key, 9)) == 1


def test_bytes_that_are_no_text(store: Store, tmp_path: Path) -> None:
    folder = _write(tmp_path / "ms", [_record(0, 1, [1e-5], ARCH.name)])
    with (folder / "database_tuning_record.json").open("ab") as file:
        file.write(b"\xff\xfe\x00[0,[\n")
    report = _import(store, folder)
    assert report.inserted == 1
    assert len(report.torn) == 1


def test_a_folder_without_the_files(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="MetaSchedule"):
        _import(store, tmp_path)


def test_what_was_imported_is_exported(store: Store, tmp_path: Path) -> None:
    records = [_record(0, n, [n * 1e-5], ARCH.name) for n in (1, 2, 3)]
    _import(store, _write(tmp_path / "in", [*records, _record(1, 1, [1e-5], ARCH.name)]))
    report = export_metaschedule(store, tmp_path / "out", arch=ARCH.name, measured=2)
    assert (report.workloads, report.records) == (2, 3)
    with_other = Toolchain("0.28", "22", "1")
    import_metaschedule(store, tmp_path / "out", toolchain=with_other, arch=ARCH)
    top = store.top_measurements(_digest(0), ARCH.name, with_other.key, 9)
    assert [m.run_secs for m in top] == [(1e-5,), (2e-5,)]


def test_best_records_are_exported(world: World, tmp_path: Path) -> None:
    of = measurement(1)
    world.store.promote(promotion(of), measurements=[of, measurement(2, secs=9e-6)])
    report = export_metaschedule(world.store, tmp_path / "out", arch=ARCH.name)
    assert (report.workloads, report.records) == (1, 1)
    line = (tmp_path / "out" / "database_tuning_record.json").read_text()
    index, (trace, secs, target, _) = json.loads(line)
    assert (index, trace, secs) == (0, json.loads(of.trace or ""), [of.median])
    assert target == {"kind": "llvm", "keys": ["cpu"], "mcpu": ARCH.name, "tag": ""}
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "database_tuning_record.json",
        "database_workload.json",
    ]


def test_an_unknown_architecture_is_not_exported(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="known: none"):
        export_metaschedule(store, tmp_path / "out", arch="i386")


class _Refuses(WorkloadCodec):
    def decode(self, module_json: str, args_info: ArgsInfo | None) -> Workload:
        raise ValueError("a module of another version")

    def encode(self, workload: Workload) -> EncodedWorkload:
        raise NotImplementedError


def test_a_codec_may_refuse_a_module(store: Store, tmp_path: Path) -> None:
    folder = _write(tmp_path / "ms", [_record(0, 1, [1e-5], ARCH.name)])
    report = _import(store, folder, codec=_Refuses())
    assert report.records == 0
    assert "another version" in report.torn[0]
