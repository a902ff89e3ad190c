"""Calibrating the core that runs the tests."""

from __future__ import annotations

from tuner.measure import LocalMeasurer, bound_secs
from tuner.measure.calibration import READ_SIZES


def test_every_figure_is_measured() -> None:
    measurer = LocalMeasurer()
    try:
        calibration = measurer.calibrate()
    finally:
        measurer.close()
    assert set(calibration) == {"fma_gflops", *READ_SIZES.values()}
    assert all(rate > 0 for rate in calibration.values())
    assert bound_secs(1e9, 1e6, calibration) is not None
