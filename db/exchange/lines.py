"""Lines of TVM's JSON databases: read one by one, torn ones named and passed over."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: A run of seconds that MetaSchedule writes for a candidate that failed.
FAILED_SECS = 1e9


@dataclass(frozen=True, slots=True)
class WorkloadLine:
    """One line of ``database_workload.json``."""

    #: Structural hash in decimal.
    structural_hash: str
    #: The module as JSON text.
    module_json: str


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One line of ``database_tuning_record.json``."""

    #: Line number of its workload, from 0.
    workload: int
    #: The trace as JSON text.
    trace: str
    #: Seconds per call; empty if it was not measured.
    run_secs: tuple[float, ...]
    #: The target, e.g. ``{"kind": "llvm", "mcpu": "znver4"}``.
    target: dict[str, Any]
    #: Arguments of the function.
    args_info: list[list[Any]] | None


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines of a file with their numbers from 1; those with nothing but space are left out."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def parse_workload(line: bytes) -> WorkloadLine:
    """Parse a workload line; ``ValueError`` if it is torn."""
    structural_hash, encoded = _array(line, 2)
    if not isinstance(structural_hash, str) or not isinstance(encoded, str):
        raise ValueError("not [hash, module]")
    return WorkloadLine(structural_hash, decode_module(encoded))


def parse_record(line: bytes) -> RecordLine:
    """Parse a record line; ``ValueError`` if it is torn."""
    workload, record = _array(line, 2)
    if not isinstance(workload, int) or not isinstance(record, list) or len(record) != 4:
        raise ValueError("not [workload, [trace, run_secs, target, args_info]]")
    trace, run_secs, target, args_info = record
    if not isinstance(trace, list) or len(trace) != 2:
        raise ValueError("not a trace")
    if isinstance(target, str):
        target = {"kind": target}
    if not isinstance(target, dict):
        raise ValueError("not a target")
    return RecordLine(
        workload=workload,
        trace=json.dumps(trace, separators=(",", ":")),
        run_secs=tuple(float(secs) for secs in run_secs or ()),
        target=target,
        args_info=args_info,
    )


def decode_module(encoded: str) -> str:
    """Text of a module: base64 of its length (8 bytes, little endian) and its JSON."""
    try:
        raw = base64.b64decode(encoded, validate=True)
        (length,) = struct.unpack_from("<Q", raw)
        text = raw[8:].decode()
    except (binascii.Error, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not a module: {error}") from error
    if length != len(raw) - 8:
        raise ValueError(f"not a module: {len(raw) - 8} bytes of {length}")
    return text


def encode_module(text: str) -> str:
    """The reverse of `decode_module`."""
    raw = text.encode()
    return base64.b64encode(struct.pack("<Q", len(raw)) + raw).decode()


def _array(line: bytes, length: int) -> list[Any]:
    # JSONDecodeError and UnicodeDecodeError are ValueErrors.
    parsed = json.loads(line)
    if not isinstance(parsed, list) or len(parsed) != length:
        raise ValueError(f"not an array of {length}")
    return parsed
