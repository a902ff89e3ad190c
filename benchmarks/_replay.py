"""Searches replayed on measured spaces: how many trials each searcher needs, cold and warm."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks._spaces import Space, model_without
from db import Store
from tuner.cost_model import CostModel
from tuner.cost_model.training import MOST_LESSONS
from tuner.strategy import AutoTvmStrategy, Outcome

#: How near to the best a search has to come.
WITHIN = 0.05


@dataclass(frozen=True, slots=True)
class Effort:
    """What it took a searcher to come near the best of a space, on average over seeds."""

    trials: float
    #: Building and measuring, as recorded, and the searcher's own time.
    secs: float
    #: Of those, the searcher's own.
    own_secs: float


def effort(space: Space, searcher: str, seeds: int, model: CostModel | None) -> Effort:
    """Search a space until something within `WITHIN` of its best is found."""
    runs = [_run(space, searcher, seed, model) for seed in range(seeds)]
    trials = statistics.mean(count for count, _ in runs)
    own = statistics.mean(secs for _, secs in runs)
    return Effort(trials, trials * space.trial_secs + own, own)


def _run(space: Space, searcher: str, seed: int, model: CostModel | None) -> tuple[int, float]:
    start = time.perf_counter()
    strategy = AutoTvmStrategy(
        space.workload.digest, space.facts, space.arch, seed=seed, searcher=searcher, model=model
    )
    target = space.best * (1.0 + WITHIN)
    count = 0
    while strategy.remaining:
        (candidate,) = strategy.ask(1)
        count += 1
        known = space.measured.get(candidate.digest)
        secs = known.median if known is not None else None
        if secs is not None and secs <= target:
            break
        strategy.tell([Outcome(candidate, secs)])
    return count, time.perf_counter() - start


def replay(
    store: Store, found: Sequence[Space], searchers: Sequence[str], seeds: int
) -> dict[tuple[str, str], list[Effort]]:
    """Effort by searcher and what it knew before, one for each space.

    ``cold``: nothing; ``warm``: other workloads; ``from other CPU``: this one on others, too.
    """
    efforts: dict[tuple[str, str], list[Effort]] = {}
    for space in found:
        priors = {
            "warm": model_without(store, space, limit=MOST_LESSONS),
            "from other CPU": model_without(store, space, limit=MOST_LESSONS, elsewhere=True),
        }
        for searcher in searchers:
            efforts.setdefault((searcher, "cold"), []).append(effort(space, searcher, seeds, None))
        for start, prior in priors.items():
            # Only one of the searchers listens to what others taught.
            if prior is not None:
                efforts.setdefault(("xgb", start), []).append(effort(space, "xgb", seeds, prior))
    return efforts


def print_replay(efforts: dict[tuple[str, str], list[Effort]]) -> None:
    """Print one line per searcher."""
    cold = efforts["xgb", "cold"]
    print(f"{'searcher':20}{'spaces':>8}{'trials':>9}{'seconds':>9}{'own %':>8}{'x cold xgb':>12}")
    for (searcher, start), all_of_it in efforts.items():
        trials, secs, own = (
            statistics.mean(column)
            for column in zip(*((e.trials, e.secs, e.own_secs) for e in all_of_it), strict=True)
        )
        ratio = trials / statistics.mean(e.trials for e in cold)
        name = f"{searcher}, {start}"
        print(
            f"{name:20}{len(all_of_it):>8}{trials:>9.1f}{secs:>9.2f}"
            f"{100 * own / secs:>8.1f}{ratio:>12.2f}"
        )
