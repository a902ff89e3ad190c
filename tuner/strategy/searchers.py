"""The order in which the configurations of a space are tried."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence

from tuner.templates import Config

#: Takes the configurations of a space and a seed, and returns them in the order of trial.
Searcher = Callable[[Sequence[Config], int], list[Config]]


def grid(configs: Sequence[Config], seed: int) -> list[Config]:
    """In the order of the grid."""
    return list(configs)


def shuffled(configs: Sequence[Config], seed: int) -> list[Config]:
    """In random order."""
    order = list(configs)
    random.Random(seed).shuffle(order)
    return order


SEARCHERS: dict[str, Searcher] = {"random": shuffled, "grid": grid}


def seed_for(seed: int, workload: str) -> int:
    """A seed of its own for each workload, so that neither depends on the order of the others."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{workload}".encode()).digest()[:8], "big")
