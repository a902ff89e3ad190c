"""Fairness between models: whoever weighs more is served more often, nobody is forgotten.

Weighted fair queueing (Demers, Keshav, Shenker 1989; Parekh and Gallager 1993): each model has a
virtual clock that a job advances by its cost over the model's weight; the job whose virtual finish
comes first goes first. At any moment of a campaign the work done for the models stands in the ratio
of their weights, but for one job.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that wants to be done."""

    #: What it is for.
    model: str
    #: Its place among the jobs of its model: higher goes first.
    urgency: float
    #: Work it takes, in any unit.
    cost: float = 1.0


def in_fair_order(claims: Sequence[Claim], weights: Mapping[str, float]) -> list[int]:
    """Positions of `claims` in the order they should be served.

    Parameters
    ----------
    weights
        Share of the service that each model should have, in any unit; 1 unless given.
    """
    queues: dict[str, list[int]] = defaultdict(list)
    for at in sorted(range(len(claims)), key=lambda at: (claims[at].urgency, -at)):
        queues[claims[at].model].append(at)
    clocks: list[tuple[float, str]] = []
    for model, queue in queues.items():
        heapq.heappush(clocks, (_finish(0.0, claims[queue[-1]], weights), model))
    order = []
    while clocks:
        finish, model = heapq.heappop(clocks)
        order.append(queues[model].pop())
        if queues[model]:
            next_ = claims[queues[model][-1]]
            heapq.heappush(clocks, (_finish(finish, next_, weights), model))
    return order


def _finish(start: float, claim: Claim, weights: Mapping[str, float]) -> float:
    return start + claim.cost / max(weights.get(claim.model, 1.0), 1e-9)


def split_trials(total: int, weights: Iterable[float], *, least: int = 8) -> list[int]:
    """Split a budget by weight; everyone gets `least`, or an equal part if there is not enough.

    The parts add up to `total`, unless there are more of them than trials: then one each.
    """
    wanted = list(weights)
    if not wanted:
        return []
    least = max(1, min(least, total // len(wanted)))
    spare = max(0, total - least * len(wanted))
    mass = sum(wanted) or 1.0
    exact = [spare * weight / mass for weight in wanted]
    parts = [int(share) for share in exact]
    # What rounding left goes to those it took most from.
    rest = sorted(range(len(exact)), key=lambda i: parts[i] - exact[i])
    for i in rest[: spare - sum(parts)]:
        parts[i] += 1
    return [least + part for part in parts]
