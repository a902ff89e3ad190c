"""What a schedule asks for; stored as JSON with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from db import Schedule
from scheduler.errors import ScheduleError
from scheduler.nightly.cron import check


@dataclass(frozen=True, slots=True)
class NightSpec:
    """The options of one schedule."""

    #: Time zone of its cron expression.
    zone: str = "UTC"
    #: Models to tune, by name; empty for all there are.
    models: tuple[str, ...] = ()
    #: Folder whose model files are added first; empty for none.
    watch: str = ""
    #: CPU architectures, as ``tunefleet tune`` takes them.
    archs: tuple[str, ...] = ("host",)
    #: Batch sizes; empty for those that each model was added with.
    buckets: tuple[int, ...] = ()
    #: Traffic of the models, in any unit; 1 for those that are not named.
    weights: Mapping[str, float] = field(default_factory=dict)
    #: How candidates are found.
    strategy: str = "auto"
    #: Budget of the night in candidates, split by traffic and expected gain.
    total_trials: int | None = None
    #: Budget of each job in candidates.
    trials: int | None = None
    #: Budget of each job in seconds.
    seconds: float | None = None
    #: Budget of the night in hours.
    hours: float | None = None
    #: Records older than this are stale: their host, compiler or model may have drifted.
    stale_days: float = 30.0
    #: Seed of every random choice.
    seed: int = 0

    def check(self) -> None:
        """Raise `ScheduleError` unless the night has a budget that ends."""
        if self.total_trials is None and self.trials is None and self.seconds is None:
            raise ScheduleError(
                "a night needs a budget: give --total-trials, --trials or --seconds"
            )
        if self.watch and not Path(self.watch).is_dir():
            raise ScheduleError(f"{self.watch} is no folder to be watched")

    def to_schedule(self, name: str, when: str) -> Schedule:
        """As it is stored."""
        check(when, self.zone)
        self.check()
        given = {k: v for k, v in dataclasses.asdict(self).items() if v != _DEFAULTS[k]}
        return Schedule(name, when, given)

    @classmethod
    def of(cls, schedule: Schedule) -> Self:
        """What a stored schedule asks for.

        Raises
        ------
        ScheduleError
            If it was written by a newer version.
        """
        stored: Mapping[str, Any] = schedule.spec
        unknown = sorted(stored.keys() - _DEFAULTS.keys())
        if unknown:
            raise ScheduleError(
                f"schedule {schedule.name!r} asks for {', '.join(unknown)}, which this version "
                "does not know; upgrade tunefleet"
            )
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()
        }
        return cls(**given)


_DEFAULTS: dict[str, Any] = dataclasses.asdict(NightSpec())
