"""Finds the best record of each workload; a record of another architecture is never used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import tvm
import tvm_ffi

from db import BestRecord, CpuArch, Store
from tuner.arch import toolchain
from tuner.workloads import KernelUse


class Lookup(Protocol):
    """Where records come from."""

    def __call__(self, uses: Sequence[KernelUse], arch: CpuArch) -> dict[str, BestRecord]:
        """Best records by digest of the workload; workloads without one are absent."""


def no_records(uses: Sequence[KernelUse], arch: CpuArch) -> dict[str, BestRecord]:
    """Finds nothing: every kernel gets its default schedule."""
    return {}


class StoreLookup:
    """Looks records up in the log database, in one read per bucket."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, uses: Sequence[KernelUse], arch: CpuArch) -> dict[str, BestRecord]:
        """See `Lookup`."""
        digests = [use.workload.digest for use in uses]
        records = self._store.best_records(digests, arch.name, toolchain().key)
        stored = self._store.workloads(list(records))
        confirmed = {}
        for use in uses:
            digest = use.workload.digest
            # A digest is a name; that it names this very function is confirmed.
            if digest in records and tvm_ffi.structural_equal(
                tvm.ir.load_json(stored[digest].tir), use.func
            ):
                confirmed[digest] = records[digest]
        return confirmed
