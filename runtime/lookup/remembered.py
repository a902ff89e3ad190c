"""The choices of earlier lookups, on disk: for when the database cannot be reached."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from db import CpuArch, Workload
from runtime.lookup.choice import Choice
from tuner.arch import toolchain
from tuner.workloads import KernelUse


class RememberedChoices:
    """One file per architecture and toolchain; the last writer wins, and loses nothing of value.

    Parameters
    ----------
    folder
        Made when first needed. One that cannot be written is as good as none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, uses: Sequence[KernelUse], arch: CpuArch) -> dict[str, Choice]:
        """See `Lookup`."""
        known = self._read(arch)
        found = {use.workload.digest for use in uses} & set(known)
        return {digest: known[digest] for digest in found}

    def records(self, workloads: Sequence[Workload], arch: CpuArch) -> dict[str, str]:
        """See `Lookup`."""
        known = self._read(arch)
        return {w.digest: known[w.digest].origin for w in workloads if w.digest in known}

    def remember(self, choices: Mapping[str, Choice], arch: CpuArch) -> None:
        """Add choices to the file."""
        entries = {d: dataclasses.asdict(c) for d, c in {**self._read(arch), **choices}.items()}
        path = self._path(arch)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=path.parent, suffix=".part", delete=False
            ) as part:
                json.dump(entries, part)
            Path(part.name).replace(path)
        except OSError:
            # A disk that is full or read-only costs the memory, not the serving.
            return

    def _read(self, arch: CpuArch) -> dict[str, Choice]:
        try:
            entries = json.loads(self._path(arch).read_text())
            return {digest: Choice(**entry) for digest, entry in entries.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _path(self, arch: CpuArch) -> Path:
        return self._folder / "choices" / f"{arch.name}-{toolchain().key}.json".replace(os.sep, "_")
