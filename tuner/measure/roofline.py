"""The least time a kernel can take on a core as it was calibrated: the roofline model.

Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009. Data that stay in a cache are read at
that cache's rate, so the memory roof depends on how much there is to read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

#: float32 values in a register of avx2, and what a wider CPU's peak on those is called.
AVX2_LANES = 8
AVX2_PEAK = "fma_gflops_avx2"
_PREFIX = "read_gbs_"
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20}


def read_rate(nbytes: float, calibration: Mapping[str, float]) -> float | None:
    """GB/s for a working set of `nbytes`, between the calibrated sizes; None without any."""
    points = sorted(
        (_size(name), rate) for name, rate in calibration.items() if name.startswith(_PREFIX)
    )
    if not points:
        return None
    if nbytes <= points[0][0]:
        return points[0][1]
    for (small, fast), (large, slow) in itertools.pairwise(points):
        if nbytes <= large:
            # Rates fall by steps whose places differ between CPUs; in between, a line in the
            # logarithm of the size.
            part = math.log(nbytes / small) / math.log(large / small)
            return fast + part * (slow - fast)
    return points[-1][1]


def bound_secs(
    flops: float, nbytes: float, calibration: Mapping[str, float], lanes: int
) -> float | None:
    """Seconds below which a kernel cannot run: the larger of computing and reading.

    Parameters
    ----------
    flops
        Floating-point operations of a call, an FMA counted as two.
    nbytes
        Bytes that a call has to move at least.
    calibration
        As `tuner.measure.Measurer.calibrate` returns it.
    lanes
        float32 values in the registers that the kernel is made for.

    Returns
    -------
    None if the core was not calibrated.
    """
    widest = calibration.get("fma_gflops")
    peak = calibration.get(AVX2_PEAK, widest) if lanes == AVX2_LANES else widest
    rate = read_rate(nbytes, calibration)
    if not peak or not rate:
        return None
    return max(flops / peak, nbytes / rate) / 1e9


def _size(name: str) -> int:
    text = name.removeprefix(_PREFIX)
    return int(text[:-3]) * _UNITS[text[-3:]]
