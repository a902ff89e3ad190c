"""Fires what is due, for ever."""

from __future__ import annotations

from collections.abc import Callable

from db import DbError, Store
from scheduler.errors import SchedulerError
from scheduler.nightly.cron import next_time
from scheduler.nightly.night import Night, fire_due, missed, unfinished
from scheduler.nightly.spec import NightSpec
from workers.logs import get_logger

log = get_logger("nightly")

#: Longest wait between two looks at the schedules, in seconds: they may be changed meanwhile.
LOOK_S = 60.0

#: Works on a night until its campaign has ended.
Work = Callable[[Night], None]


def run_due(store: Store, work: Work) -> list[Night]:
    """Fire what is due, and work on it, on what others left unfinished, and on what was missed."""
    fired = fire_due(store)
    known = {night.campaign for night in fired}
    nights = fired + [night for night in unfinished(store) if night.campaign not in known]
    if fired:
        nights += missed(store)
    for night in nights:
        work(night)
    return nights


def run_for_ever(store: Store, work: Work, sleep: Callable[[float], None]) -> None:
    """Call `run_due` whenever something may be due; a night that fails does not end it."""
    while True:
        try:
            run_due(store, work)
        except (SchedulerError, DbError) as error:
            log.error("night failed", reason=str(error))
        sleep(seconds_to_next(store))


def seconds_to_next(store: Store) -> float:
    """Seconds until the next schedule is due, as far as is known now; at most `LOOK_S`."""
    try:
        now = store.now()
        moments = [
            next_time(schedule.when, NightSpec.of(schedule).zone, now)
            for schedule in store.schedules()
            if schedule.enabled
        ]
    except (SchedulerError, DbError) as error:
        log.error("schedules cannot be read", reason=str(error))
        return LOOK_S
    waits = [(moment - now).total_seconds() for moment in moments]
    return max(0.5, min([LOOK_S, *waits]))
