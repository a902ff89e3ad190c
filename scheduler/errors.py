"""What can keep a campaign from running."""

from __future__ import annotations


class SchedulerError(Exception):
    """What this package raises; the text says what to do next."""


class ExecutorError(SchedulerError):
    """The workers cannot go on."""


class ScheduleError(SchedulerError):
    """A schedule that cannot be understood."""
