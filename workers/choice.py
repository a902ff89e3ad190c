"""Which workload gets the next trial: the one by which the model gains most per second.

The idea is the gradient of Ansor's task scheduler (Zheng et al., 2020, section 6), with the
roofline in place of a guess: what a workload can still win is what separates it from there, and
the chance to win any of it falls with every trial that brought no news.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workers.task import TaskState

#: Trials that every workload gets in every campaign, whatever the others promise.
FLOOR = 3
#: Trials without news that halve the chance of some.
HALF_LIFE = 4.0
#: Part of the model's time below which what may be won is not worth a trial.
WORTH = 0.0003
#: Schedules hardly ever reach the roofline; this part of what separates them from it is won.
_WINNABLE = 0.5
#: Seconds of a trial before the first was timed.
_TRIAL_SECS = 0.2


def choose(states: Sequence[TaskState], calibration: Mapping[str, float]) -> TaskState | None:
    """The workload to try next; None if no trial of any is worth its time.

    Workloads never tried come first, because a database that knows a default schedule of each is
    whole; then those below the floor; then the one with the largest gain per second.
    """
    open_states = [s for s in states if not s.exhausted]
    for few in (
        [s for s in open_states if s.untried],
        [s for s in open_states if s.trials + s.pending < FLOOR],
    ):
        if few:
            return max(few, key=lambda s: s.use * (s.best or 0.0))
    total = sum(s.use * s.best for s in states if s.best is not None)
    promising = [s for s in open_states if _promises(s, calibration, total)]
    return max(promising, key=lambda s: gain(s, calibration), default=None)


def gain(state: TaskState, calibration: Mapping[str, float]) -> float:
    """Seconds of the model's time that one second of trials may save."""
    stale = state.progress.stale + state.pending
    chance: float = 0.5 ** (stale / HALF_LIFE)
    return _winnable(state, calibration) * chance / (state.trial_secs or _TRIAL_SECS)


def _winnable(state: TaskState, calibration: Mapping[str, float]) -> float:
    return state.use * (state.best or 0.0) * state.room(calibration) * _WINNABLE


def _promises(state: TaskState, calibration: Mapping[str, float], total: float) -> bool:
    """False at a plateau, and where too little of the model is at stake."""
    if state.best is None:
        # Nothing of it ever ran: whatever does is a gain.
        return True
    if state.progress.stale + state.pending >= state.strategy.patience:
        return False
    return _winnable(state, calibration) >= WORTH * total
