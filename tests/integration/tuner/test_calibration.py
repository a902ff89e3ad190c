"""Calibrating the core that runs the tests."""

from __future__ import annotations

from tuner.arch import host_arch, simd_of
from tuner.measure import LocalMeasurer, bound_secs
from tuner.measure.calibration import READ_SIZES
from tuner.measure.roofline import AVX2_LANES, AVX2_PEAK


def test_every_figure_is_measured() -> None:
    measurer = LocalMeasurer()
    try:
        calibration = measurer.calibrate()
    finally:
        measurer.close()
    peaks = {"fma_gflops", AVX2_PEAK} if simd_of(host_arch()).lanes > AVX2_LANES else {"fma_gflops"}
    assert set(calibration) == {*peaks, *READ_SIZES.values()}
    assert all(rate > 0 for rate in calibration.values())
    assert bound_secs(1e9, 1e6, calibration, AVX2_LANES) is not None
