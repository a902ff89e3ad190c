"""Records that no longer hold: on their own host they have become slower than the host has."""

from __future__ import annotations

from collections.abc import Mapping

from db import Look, Standing

#: Slower by less than this is noise on a shared host.
_NOISE = 0.1


def drifted(standing: Standing) -> bool:
    """Whether a best record was slower when it was last measured than the time before.

    What the host itself lost in between, by its calibration, is no drift of the record; neither is
    what lies within the spread of the two measurements.
    """
    if len(standing.looks) < 2:
        return False
    after, before = standing.looks[:2]
    noise = max(_NOISE, after.spread + before.spread)
    slower = after.secs / before.secs
    return slower > (1.0 + noise) * _host_slower(after, before)


def _host_slower(after: Look, before: Look) -> float:
    """How much slower the host had become in what it lost most; 1 if in nothing."""
    return max([1.0, *_ratios(before.calibration, after.calibration)])


def _ratios(before: Mapping[str, float], after: Mapping[str, float]) -> list[float]:
    return [before[name] / after[name] for name in before.keys() & after.keys() if after[name] > 0]
