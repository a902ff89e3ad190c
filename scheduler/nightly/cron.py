"""When a schedule is due: cron expressions, in the time zone of those who wrote them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from scheduler.errors import ScheduleError

#: A time that was missed by more than this is not made up for: the next one comes soon.
GRACE = timedelta(hours=12)


def check(when: str, zone: str) -> None:
    """Raise `ScheduleError` unless `when` is a cron expression and `zone` a time zone."""
    _zone(zone)
    if len(when.split()) != 5 or not croniter.is_valid(when):
        raise ScheduleError(
            f"{when!r} is no cron expression; write minute, hour, day of the month, month and day "
            "of the week, e.g. '0 2 * * *' for two o'clock every night"
        )


def last_time(when: str, zone: str, now: datetime) -> datetime:
    """The latest moment not after `now` that a cron expression names, in UTC.

    A time that the clock jumps over in spring is due when the clock has jumped; one that comes
    twice in autumn is due once.
    """
    local = now.astimezone(_zone(zone))
    # croniter looks strictly before; the minute that has just begun counts.
    found = croniter(when, local + timedelta(seconds=1)).get_prev(datetime)
    if found.fold and "*" not in when.split()[1]:
        # The hour that comes twice: what names an hour has had its turn in the first.
        found = found.replace(fold=0)
    moment: datetime = found.astimezone(UTC)
    return moment


def next_time(when: str, zone: str, now: datetime) -> datetime:
    """The first moment after `now` that a cron expression names, in UTC."""
    found: datetime = croniter(when, now.astimezone(_zone(zone))).get_next(datetime)
    return found.astimezone(UTC)


def due(when: str, zone: str, now: datetime, since: datetime | None) -> datetime | None:
    """The moment a schedule is due for; None if there is none to make up for.

    Parameters
    ----------
    since
        When the schedule was put there: earlier moments are none of its.
    """
    moment = last_time(when, zone, now)
    if now - moment > GRACE or (since is not None and moment < since):
        return None
    return moment


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(
            f"unknown time zone {name!r}; write e.g. UTC or Europe/Berlin"
        ) from error
