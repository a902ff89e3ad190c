"""The fastest of a space, measured a second time, in turns.

Among hundreds of measurements the smallest owes something to luck: too little would come within
5 % of it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import replace

from db import CpuArch, Measured, NotFound, Store, measurement_uid

#: Configurations of a space that run in turns.
FINALISTS = 12


def finalists(measured: Mapping[str, Measured]) -> list[str]:
    """Digests of the fastest."""
    ran = [(m.median, digest) for digest, m in measured.items() if m.median is not None]
    return [digest for _, digest in sorted(ran)[:FINALISTS]]


def final_uid(arch: CpuArch, digest: str) -> str:
    """What the second measurement of a candidate is stored as."""
    return measurement_uid(0, 2, f"{arch.name}/{digest}")


def with_finals(
    store: Store, arch: CpuArch, measured: Mapping[str, Measured]
) -> tuple[dict[str, Measured], bool]:
    """Measurements of a space, those of its finalists replaced by the second ones.

    Returns
    -------
    Them, and whether there were any.
    """
    second = {digest: _second(store, arch, digest) for digest in finalists(measured)}
    ratios = [now / (measured[d].median or now) for d, now in second.items() if now is not None]
    if not ratios:
        return dict(measured), False
    # Turns with many others take longer than turns with one: the rest is set beside them.
    factor = max(1.0, statistics.median(ratios))
    again = {d: replace(m, median=m.median and factor * m.median) for d, m in measured.items()}
    finals = {d: replace(measured[d], median=now) for d, now in second.items() if now is not None}
    return again | finals, True


def _second(store: Store, arch: CpuArch, digest: str) -> float | None:
    try:
        return store.measurement(final_uid(arch, digest)).median
    except NotFound:
        return None
