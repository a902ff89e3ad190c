"""Exporting to a MetaSchedule JSON database."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.backend.chunks import chunks
from db.domain.catalog import Workload
from db.errors import DatabaseUnavailable, NotFound
from db.exchange.codec import EncodedWorkload, PlainCodec, WorkloadCodec
from db.exchange.lines import encode_module
from db.exchange.metaschedule_import import RECORDS, WORKLOADS
from db.store.base import Store


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote."""

    #: The folder.
    folder: str
    #: Workloads written.
    workloads: int
    #: Records written.
    records: int


def export_metaschedule(
    store: Store,
    folder: str | os.PathLike[str],
    *,
    arch: str,
    toolchain: str | None = None,
    measured: int = 0,
    codec: WorkloadCodec | None = None,
) -> ExportReport:
    """Write the best records of one architecture as ``tvm`` reads them.

    One folder per architecture, because TVM's database ignores the target when it looks up
    (https://github.com/apache/tvm/issues/15549). Records without a trace are left out.

    Parameters
    ----------
    store
        Where from.
    folder
        Where to; both files are replaced.
    arch
        The architecture.
    toolchain
        Only records of this toolchain; ``None`` takes the fastest of any.
    measured
        Measurements to add per workload and toolchain, the fastest first: nobody need have
        validated them, and workloads without a best record come along too.
    codec
        How to write workloads; by default as they are, see `PlainCodec`.
    """
    known = [found.name for found in store.archs()]
    if arch not in known:
        raise NotFound(f"unknown CPU architecture {arch!r}; known: {', '.join(known) or 'none'}")
    found = _records(store, arch, toolchain, measured)
    target = Path(folder)
    workload_lines: list[str] = []
    record_lines: list[str] = []
    for workload in _workloads(store, found):
        encoded = (codec or PlainCodec()).encode(workload)
        index = len(workload_lines)
        workload_lines.append(_dumps([encoded.structural_hash, encode_module(encoded.module_json)]))
        record_lines += [
            _record(index, trace, secs, arch, encoded)
            for trace, secs in found[workload.digest].items()
        ]
    try:
        target.mkdir(parents=True, exist_ok=True)
        # Records last: a reader that comes in between finds workloads without records.
        _replace(target / WORKLOADS, workload_lines)
        _replace(target / RECORDS, record_lines)
    except OSError as error:
        raise DatabaseUnavailable(f"{target}: {error.strerror}; choose another folder") from error
    return ExportReport(str(target), len(workload_lines), len(record_lines))


def _records(
    store: Store, arch: str, toolchain: str | None, measured: int
) -> dict[str, dict[str, tuple[float, ...]]]:
    """Seconds by trace by digest; the best come first and keep their confirmed seconds."""
    found: dict[str, dict[str, tuple[float, ...]]] = defaultdict(dict)
    for digest, record in store.best_records(None, arch, toolchain).items():
        if record.trace is not None:
            found[digest][record.trace] = (record.run_secs,)
    if measured:
        for digest, key in store.measured_keys(arch):
            if toolchain in (None, key):
                for one in store.top_measurements(digest, arch, key, measured):
                    if one.trace is not None:
                        found[digest].setdefault(one.trace, one.run_secs)
    return found


def _workloads(store: Store, digests: Iterable[str]) -> Iterator[Workload]:
    for some in chunks(sorted(digests)):
        found = store.workloads(some)
        yield from (found[digest] for digest in some)


def _record(
    index: int, trace: str, secs: tuple[float, ...], arch: str, encoded: EncodedWorkload
) -> str:
    target = {"kind": "llvm", "keys": ["cpu"], "mcpu": arch, "tag": ""}
    return _dumps([index, [json.loads(trace), list(secs), target, encoded.args_info]])


def _replace(path: Path, text: list[str]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text("".join(f"{line}\n" for line in text))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
