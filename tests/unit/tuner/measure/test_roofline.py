"""The least time that a kernel can take."""

from __future__ import annotations

import pytest

from tuner.measure import bound_secs
from tuner.measure.roofline import read_rate

CALIBRATION = {
    "fma_gflops": 100.0,
    "read_gbs_16KiB": 200.0,
    "read_gbs_256KiB": 100.0,
    "read_gbs_64MiB": 10.0,
}


def test_computing_binds_where_little_is_read() -> None:
    assert bound_secs(1e6, 1e3, CALIBRATION, 16) == pytest.approx(1e-5)


def test_reading_binds_where_little_is_computed() -> None:
    assert bound_secs(1.0, 256 << 10, CALIBRATION, 16) == pytest.approx((256 << 10) / 100e9)


@pytest.mark.parametrize(
    ("nbytes", "rate"), [(1, 200.0), (16 << 10, 200.0), (64 << 10, 150.0), (1 << 40, 10.0)]
)
def test_the_rate_depends_on_the_working_set(nbytes: int, rate: float) -> None:
    assert read_rate(nbytes, CALIBRATION) == pytest.approx(rate)


def test_a_core_that_was_not_calibrated_has_no_bound() -> None:
    assert bound_secs(1e6, 1e6, {}, 16) is None
    assert bound_secs(1e6, 1e6, {"fma_gflops": 100.0}, 16) is None


def test_kernels_of_avx2_are_held_against_its_own_peak() -> None:
    both = {**CALIBRATION, "fma_gflops_avx2": 50.0}
    assert bound_secs(1e6, 1e3, both, 8) == pytest.approx(2e-5)
    assert bound_secs(1e6, 1e3, both, 16) == pytest.approx(1e-5)
    # A CPU that has nothing wider.
    assert bound_secs(1e6, 1e3, CALIBRATION, 8) == pytest.approx(1e-5)
