"""What compiled code depends on; whatever changes any of it is another entry."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from db import CpuArch
from tuner.arch import toolchain


@functools.cache
def _sources() -> str:
    """Digest of the compiler's own source: its packages' versions alone would miss a patch."""
    import runtime
    import tuner

    digest = hashlib.sha256()
    for package in (tuner, runtime):
        root = Path(str(package.__file__)).parent
        for file in sorted(root.rglob("*.py")):
            digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def graph_key(fingerprint: str) -> str:
    """Name of what an import makes of a graph.

    Parameters
    ----------
    fingerprint
        As `tuner.importers.read_weights` tells it of a file.
    """
    return _digest("graph", fingerprint, toolchain().key, _sources())


def bucket_key(graph: str, batch: int, arch: CpuArch, records: Mapping[str, str]) -> str:
    """Name of a bucket's code.

    Parameters
    ----------
    graph
        The `graph_key`.
    records
        Origin of the schedule of each workload, by digest; only of those that have one.
    """
    features = ",".join(sorted(arch.features))
    return _digest("bucket", graph, str(batch), arch.name, features, *sorted(
        f"{digest}={schedule}" for digest, schedule in records.items()
    ))  # fmt: skip


def workloads_key(graph: str, batch: int) -> str:
    """Name of the list of a bucket's workloads."""
    return _digest("workloads", graph, str(batch))


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
