"""What tests of failures share, and values in failed assertions of the shipped suite."""

from __future__ import annotations

import time

import pytest

pytest.register_assert_rewrite("db.testing.conformance")


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits to try a transaction again fails the test: what happens is told at once."""

    class Clock:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def sleep(secs: float) -> None:
            raise AssertionError(f"it is tried again in {secs:g} s")

    monkeypatch.setattr("db.backend.database.time", Clock)
