"""What a night tunes, and in which order: new before stale before known, fair between models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from db import BestRecord, JobSpec
from scheduler.policy.fair import Claim, in_fair_order, split_trials


class Need(IntEnum):
    """How much a bucket needs tuning; more first."""

    #: Every workload has a recent record of the present toolchain that still holds.
    KNOWN = 0
    #: A record is old, has drifted, or is only of an earlier toolchain.
    STALE = 1
    #: A workload has no record at all.
    NEW = 2


#: What one more trial is expected to gain, relative to a bucket that was never tuned.
_GAIN = {Need.NEW: 1.0, Need.STALE: 0.5, Need.KNOWN: 0.1}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One bucket of one model on one architecture."""

    model: str
    #: Identifier of the model version.
    version: int
    arch: str
    bucket: int
    #: Share of the model's calls.
    share: float
    need: Need


def need_of(
    workloads: Sequence[str],
    current: Mapping[str, BestRecord],
    ever: Mapping[str, BestRecord],
    drifted: Collection[str] = (),
    *,
    now: datetime,
    stale_days: float,
) -> Need:
    """How much a bucket needs tuning.

    Parameters
    ----------
    workloads
        Digests of the bucket's workloads.
    current, ever
        Best records by digest: of the present toolchain, and of any.
    drifted
        Digests of those whose record has become slower than its host.
    """
    if any(digest not in ever for digest in workloads):
        return Need.NEW
    oldest = now - timedelta(days=stale_days)
    fresh = all(
        d in current and current[d].recorded_at >= oldest and d not in drifted for d in workloads
    )
    return Need.KNOWN if fresh else Need.STALE


def plan(
    wanted: Sequence[Wanted], *, calls: Mapping[str, float], total_trials: int | None
) -> list[JobSpec]:
    """The jobs of a night, their priorities and, with a budget for the night, their trials.

    Parameters
    ----------
    calls
        Traffic of each model, in any unit; alike unless given.
    """
    if not wanted:
        return []
    worth = [w.share * _GAIN[w.need] for w in wanted]
    weights: dict[str, float] = defaultdict(float)
    for w, value in zip(wanted, worth, strict=True):
        weights[w.model] += value * calls.get(w.model, 1.0)
    # New work comes before stale work whatever model it is of; within each, models take turns.
    order: list[int] = []
    for need in sorted(Need, reverse=True):
        of_need = [i for i, w in enumerate(wanted) if w.need is need]
        claims = [Claim(wanted[i].model, worth[i]) for i in of_need]
        order += [of_need[at] for at in in_fair_order(claims, weights)]
    trials: list[int | None] = [None] * len(wanted)
    if total_trials is not None:
        shares = [v * calls.get(w.model, 1.0) for w, v in zip(wanted, worth, strict=True)]
        trials = [*split_trials(total_trials, shares)]
    return [
        JobSpec(
            wanted[i].version,
            wanted[i].arch,
            wanted[i].bucket,
            priority=len(order) - place,
            trials=trials[i],
        )
        for place, i in enumerate(order)
    ]
