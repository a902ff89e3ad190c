"""From values to places: linear and logarithmic scales with ticks people can read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values between `low` and `high` to places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Place of a value; values outside keep to the border."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within the scale."""
        if self.logarithmic:
            return _log_ticks(self.low, self.high, about)
        return _ticks(self.low, self.high, about)


def linear(values: Iterable[float], start: float, end: float, *, zero: bool = True) -> Scale:
    """A linear scale that holds `values`, and zero if wanted."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high <= low:
        high = low + (abs(low) or 1.0)
    step = _step((high - low) / 4)
    return Scale(math.floor(low / step) * step, math.ceil(high / step) * step, start, end)


def logarithmic(values: Iterable[float], start: float, end: float) -> Scale:
    """A logarithmic scale that holds the positive ones of `values`, with a little room."""
    known = [value for value in values if value > 0 and math.isfinite(value)]
    low, high = min(known, default=1.0), max(known, default=10.0)
    room = max(1.15, (high / low) ** 0.04)
    return Scale(low / room, high * room, start, end, logarithmic=True)


def _step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    return next(step * size for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * size >= rough * 0.999)


def _ticks(low: float, high: float, about: int) -> list[float]:
    step = _step((high - low) / max(1, about - 1))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _log_ticks(low: float, high: float, about: int) -> list[float]:
    found: list[float] = []
    for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)):
        found = [v for v in _decades(low, high, steps) if low <= v <= high]
        if len(found) >= min(about, 3):
            break
    if len(found) < 3:
        # So narrow that it is all but linear.
        return _ticks(low, high, about)
    every = max(1, math.ceil(len(found) / (about + 2)))
    return found[::every]


def _decades(low: float, high: float, steps: Sequence[float]) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [step * 10.0**power for power in range(first, last + 1) for step in steps]
