"""Whether a model served here computes what its framework computes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scheduler.demo.options import DemoError
from scheduler.demo.reference import Array, Reference

if TYPE_CHECKING:
    from runtime import Model

#: A batch that no bucket fits: padded by some, cut in pieces by others.
ODD_BATCH = 100


def batches_to_check(model: Model) -> list[int]:
    """Every bucket, and one batch between them; only the exported one where that is fixed."""
    batches = set(model.buckets)
    if any(spec.batched for spec in model.input_specs):
        batches.add(ODD_BATCH)
    return sorted(batches)


def largest_difference(
    model: Model, reference: Reference, batches: Iterable[int], tolerance: float
) -> float:
    """Largest absolute difference of any score on random inputs.

    Raises
    ------
    DemoError
        If it is more than `tolerance`, relative to the largest score if that is above 1.
    """
    worst = 0.0
    for batch in batches:
        inputs = model.random_inputs(batch, seed=batch)
        want = reference.scores(inputs)
        got = outputs_of(model(*inputs))
        if len(got) != len(want):
            raise DemoError(f"{len(got)} outputs are served, {reference.name} has {len(want)}")
        for ours, theirs in zip(got, want, strict=True):
            worst = max(worst, _difference(ours, theirs, batch, reference.name, tolerance))
    return worst


def outputs_of(scores: Any) -> Sequence[Array]:
    """Outputs of a call as a list, however many there are."""
    return list(scores) if isinstance(scores, tuple) else [scores]


def _difference(ours: Array, theirs: Array, batch: int, name: str, tolerance: float) -> float:
    if ours.shape != theirs.shape:
        raise DemoError(
            f"batch {batch}: scores have shape {list(ours.shape)}, "
            f"those of {name} {list(theirs.shape)}"
        )
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    if not np.isfinite(b).all():
        raise DemoError(f"batch {batch}: {name} itself computes scores that are no numbers")
    difference = float(np.abs(a - b).max(initial=0.0))
    allowed = tolerance * max(1.0, float(np.abs(b).max(initial=0.0)))
    if not difference <= allowed:
        raise DemoError(
            f"batch {batch}: scores differ from those of {name} by {difference:.1e}, "
            f"{allowed:.0e} is allowed; please report this with the model"
        )
    return difference
