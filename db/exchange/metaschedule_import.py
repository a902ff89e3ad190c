"""Importing a MetaSchedule JSON database."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from db.domain.catalog import CpuArch, Toolchain, Workload
from db.domain.measurements import ErrorKind, Measurement
from db.errors import NotFound
from db.exchange.codec import PlainCodec, WorkloadCodec
from db.exchange.lines import (
    FAILED_SECS,
    RecordLine,
    WorkloadLine,
    lines,
    parse_record,
    parse_workload,
)
from db.store.base import Store

WORKLOADS = "database_workload.json"
RECORDS = "database_tuning_record.json"

#: Measurements per transaction.
_BATCH = 256


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of an import."""

    #: Workloads that had records to import.
    workloads: int
    #: Records of the wanted architecture.
    records: int
    #: Those that were not there yet.
    inserted: int
    #: Records of other architectures, or of none.
    other_archs: int
    #: Records without a latency, left out.
    unmeasured: int
    #: Lines that could not be read: ``file:line: why``.
    torn: tuple[str, ...]


def import_metaschedule(
    store: Store,
    folder: str | os.PathLike[str],
    *,
    toolchain: Toolchain,
    arch: CpuArch,
    assume_arch: bool = False,
    codec: WorkloadCodec | None = None,
) -> ImportReport:
    """Store the records of one architecture as measurements.

    They are measurements and not best records, because nobody has validated them here: a tuning
    job measures the fastest of them again and promotes what holds. Importing twice stores once.

    Parameters
    ----------
    store
        Where to.
    folder
        Where ``database_workload.json`` and ``database_tuning_record.json`` are.
    toolchain
        What the records were made with; the files do not tell.
    arch
        The architecture to import; records whose target names another ``mcpu`` are left out.
    assume_arch
        Whether records whose target names no ``mcpu`` are of `arch`.
    codec
        How to read workloads; by default as text, see `PlainCodec`.
    """
    job = _Import(Path(folder), codec or PlainCodec(), arch, toolchain, assume_arch)
    store.add_arch(arch)
    store.add_toolchain(toolchain)
    inserted = 0
    batch: list[tuple[Workload, Measurement]] = []
    for one in job.measurements():
        batch.append(one)
        if len(batch) == _BATCH:
            inserted += _store(store, batch)
            batch = []
    inserted += _store(store, batch)
    return job.report(inserted)


def _store(store: Store, batch: list[tuple[Workload, Measurement]]) -> int:
    store.add_workloads({workload.digest: workload for workload, _ in batch}.values())
    return store.add_measurements([measurement for _, measurement in batch])


class _Import:
    """One run over both files, and what it met on the way."""

    def __init__(
        self,
        folder: Path,
        codec: WorkloadCodec,
        arch: CpuArch,
        toolchain: Toolchain,
        assume_arch: bool,
    ) -> None:
        self._paths = {name: folder / name for name in (WORKLOADS, RECORDS)}
        for path in self._paths.values():
            if not path.is_file():
                raise NotFound(f"{path}: no such file; name the folder of a MetaSchedule database")
        self._codec = codec
        self._arch = arch
        self._toolchain = toolchain.key
        self._assume_arch = assume_arch
        self._torn: list[str] = []
        self._decoded: dict[int, Workload] = {}
        self._records = self._other_archs = self._unmeasured = 0

    def measurements(self) -> Iterator[tuple[Workload, Measurement]]:
        """Yield the records of the wanted architecture."""
        workloads = self._read_workloads()
        for number, line in lines(self._paths[RECORDS]):
            try:
                record = parse_record(line)
            except (ValueError, TypeError) as error:
                self._tear(RECORDS, number, error)
                continue
            if not self._wanted(record):
                self._other_archs += 1
                continue
            if not record.run_secs:
                self._unmeasured += 1
                continue
            try:
                workload = self._decode(workloads, record)
                measurement = self._measurement(workload, record)
            except (ValueError, TypeError) as error:
                self._tear(RECORDS, number, error)
                continue
            self._records += 1
            yield workload, measurement

    def report(self, inserted: int) -> ImportReport:
        """Sum up."""
        return ImportReport(
            workloads=len(self._decoded),
            records=self._records,
            inserted=inserted,
            other_archs=self._other_archs,
            unmeasured=self._unmeasured,
            torn=tuple(self._torn),
        )

    def _read_workloads(self) -> dict[int, WorkloadLine]:
        # Records name workloads by line, so a torn line must keep its place.
        found = {}
        for number, line in lines(self._paths[WORKLOADS]):
            try:
                found[number - 1] = parse_workload(line)
            except (ValueError, TypeError) as error:
                self._tear(WORKLOADS, number, error)
        return found

    def _wanted(self, record: RecordLine) -> bool:
        mcpu = record.target.get("mcpu")
        return mcpu == self._arch.name or (not mcpu and self._assume_arch)

    def _decode(self, workloads: dict[int, WorkloadLine], record: RecordLine) -> Workload:
        if record.workload not in self._decoded:
            line = workloads.get(record.workload)
            if line is None:
                raise ValueError(f"its workload (line {record.workload + 1}) is torn or missing")
            decoded = self._codec.decode(line.module_json, record.args_info)
            self._decoded[record.workload] = decoded
        return self._decoded[record.workload]

    def _measurement(self, workload: Workload, record: RecordLine) -> Measurement:
        # MetaSchedule writes a failure as a huge latency; here it is an error.
        failed = any(secs >= FAILED_SECS for secs in record.run_secs)
        candidate = hashlib.sha256(record.trace.encode()).hexdigest()
        identity = (workload.digest, self._arch.name, self._toolchain, candidate, record.run_secs)
        return Measurement(
            uid=hashlib.sha256(repr(("import", *identity)).encode()).hexdigest()[:32],
            job_id=None,
            attempt=0,
            workload=workload.digest,
            arch=self._arch.name,
            toolchain=self._toolchain,
            candidate=candidate,
            strategy="import",
            trace=record.trace,
            run_secs=() if failed else record.run_secs,
            error_kind=ErrorKind.RUN_ERROR if failed else None,
            error_text="failed when it was imported" if failed else None,
            host="import",
        )

    def _tear(self, name: str, number: int, error: Exception) -> None:
        self._torn.append(f"{self._paths[name]}:{number}: {error}")
