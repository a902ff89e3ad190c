"""When a schedule is due: time zones, clocks that jump, nights that were missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.errors import ScheduleError
from scheduler.nightly.cron import check, due, last_time, next_time

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "zone", "now", "expected"),
    [
        ("0 2 * * *", "UTC", "2026-11-23T01:59", "2026-11-22T02:00"),
        ("0 2 * * *", "UTC", "2026-11-23T02:00", "2026-11-23T02:00"),
        ("0 2 * * *", BERLIN, "2026-07-01T00:30", "2026-07-01T00:00"),
        ("0 2 * * *", BERLIN, "2026-12-01T01:30", "2026-12-01T01:00"),
        ("30 23 * * 5", "America/New_York", "2026-11-23T12:00", "2026-11-21T04:30"),
    ],
)
def test_the_last_time_is_of_the_zone(when: str, zone: str, now: str, expected: str) -> None:
    assert last_time(when, zone, utc(now)) == utc(expected)


def test_the_next_time_comes_after_now() -> None:
    assert next_time("0 2 * * *", BERLIN, utc("2026-07-01T00:00")) == utc("2026-07-02T00:00")


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])  # Clocks change at 01:00 UTC.
def test_a_night_whose_clock_changes_happens_once(day: str) -> None:
    start = utc(f"{day}T00:00") - timedelta(hours=12)
    moments = {
        last_time("30 2 * * *", BERLIN, start + timedelta(minutes=minute))
        for minute in range(12 * 60, 36 * 60)
    }
    that_day = [m for m in moments if m.date() == utc(f"{day}T00:00").date()]
    assert len(that_day) == 1


def test_what_is_due() -> None:
    now, since = utc("2026-11-23T03:00"), utc("2026-11-20T00:00")
    assert due("0 2 * * *", "UTC", now, since) == utc("2026-11-23T02:00")
    # Put there after two o'clock: the first night is the next one.
    assert due("0 2 * * *", "UTC", now, utc("2026-11-23T02:30")) is None
    # Missed by more than half a day: not made up for.
    assert due("0 2 1 * *", "UTC", now, since) is None


@pytest.mark.parametrize("when", ["", "0 2 * *", "61 2 * * *", "@daily", "0 0 2 * * *"])
def test_no_cron_expression(when: str) -> None:
    with pytest.raises(ScheduleError, match="no cron expression"):
        check(when, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
def test_no_time_zone(zone: str) -> None:
    with pytest.raises(ScheduleError, match="unknown time zone"):
        check("0 2 * * *", zone)
