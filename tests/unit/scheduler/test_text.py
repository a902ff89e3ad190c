"""Numbers as people read them."""

from __future__ import annotations

import pytest

from scheduler.display import text


@pytest.mark.parametrize(
    ("secs", "shown"),
    [
        (None, "-"),
        (4.2e-7, "0.42 µs"),
        (9.996e-6, "10.0 µs"),
        (41.24e-6, "41.2 µs"),
        (99.96e-6, "100 µs"),
        (999.4e-6, "999 µs"),
        (999.6e-6, "1.00 ms"),
        (0.0123, "12.3 ms"),
        (1.5, "1.50 s"),
    ],
)
def test_latency(secs: float | None, shown: str) -> None:
    assert text.latency(secs) == shown


@pytest.mark.parametrize(
    ("secs", "shown"),
    [(None, "?"), (0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3725, "1:02:05")],
)
def test_duration(secs: float | None, shown: str) -> None:
    assert text.duration(secs) == shown


def test_brief_keeps_one_line() -> None:
    assert text.brief("a\n b", 10) == "a b"
    assert text.brief("abcdef", 4) == "abc…"
