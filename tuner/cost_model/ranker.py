"""An XGBoost ranking model: trained on many workloads, refined on the one that is being tuned.

The model learns how much slower than the fastest of its group a candidate is, never how fast:
latencies of different workloads, CPUs or memory regimes are not comparable, their rankings are. The
order of the fastest is what counts, so slow candidates weigh little. (LambdaMART, whose NDCG asks
for the same, ranked workloads that were left out worse: docs/search.md.) What a new workload
teaches is learned as a correction on top of what the others taught (boosting from their scores), so
that a refinement costs milliseconds however much is in the database. Method: Chen et al., "Learning
to Optimize Tensor Programs" (2018), with labels of their own for each group instead of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xgboost

from tuner.cost_model.table import Table, relative_speed

_PARAMETERS = {
    "objective": "reg:squarederror",
    "base_score": 0.0,
    # Shallow: what holds for one shape alone helps no other.
    "max_depth": 3,
    "eta": 0.1,
    "min_child_weight": 1.0,
    "lambda": 1.0,
    "tree_method": "hist",
    # Tuning is single-threaded beside a measuring core.
    "nthread": 1,
    "seed": 0,
    "verbosity": 0,
}
#: Trees of a model, and of a refinement.
_TREES, _MORE_TREES = 60, 10
#: Speeds, relative to the fastest, below which candidates are equally bad; failed ones are.
_SLOWEST = 0.22
#: A candidate weighs its relative speed to this power, and not less than the other.
_STEEP, _LEAST = 6, 0.03


@dataclass(frozen=True, slots=True)
class CostModel:
    """A trained model; immutable."""

    #: Features it was trained on; others are ignored.
    columns: tuple[str, ...]
    booster: xgboost.Booster
    #: What it corrects; None if it stands alone.
    base: CostModel | None = None

    def predict(self, table: Table) -> np.ndarray:
        """Scores, one per candidate: higher is faster; comparable within one workload only."""
        if not len(table):
            return np.empty(0, np.float32)
        scores = np.asarray(self.booster.inplace_predict(table.aligned(self.columns)))
        return scores if self.base is None else scores + self.base.predict(table)

    def refined(self, table: Table, secs: Sequence[float | None]) -> CostModel:
        """This model, corrected by measurements of one workload.

        Parameters
        ----------
        table
            Features of the candidates.
        secs
            Median seconds of each; None if it failed.
        """
        return fit(table, secs, [0] * len(table), base=self)


def fit(
    table: Table,
    secs: Sequence[float | None],
    groups: Sequence[int],
    *,
    base: CostModel | None = None,
) -> CostModel:
    """Train a model.

    Parameters
    ----------
    table
        Features of the candidates.
    secs
        Median seconds of each; None if it failed.
    groups
        Number of the group of each: candidates are compared within their group, which is one
        workload on one CPU architecture in one memory regime. Rising.
    base
        Model to correct.

    Raises
    ------
    ValueError
        If the groups do not rise, or nothing is given.
    """
    places = np.asarray(groups)
    if not len(table) or (np.diff(places) < 0).any():
        raise ValueError("a cost model is trained on one row or more, in rising groups")
    speeds = np.empty(len(table), np.float32)
    for group in np.unique(places):
        rows = np.flatnonzero(places == group)
        speeds[rows] = relative_speed([secs[i] for i in rows.tolist()])
    labels = np.log(np.maximum(speeds, _SLOWEST))
    weights = np.maximum(speeds**_STEEP, _LEAST)
    weights /= weights.mean()
    data = xgboost.DMatrix(table.values, label=labels, weight=weights, nthread=1)
    if base is not None:
        margin = base.predict(table)
        # Both are relative to a fastest candidate, but not to the same one.
        data.set_base_margin(margin + np.average(labels - margin, weights=weights))
    booster = xgboost.train(_PARAMETERS, data, _TREES if base is None else _MORE_TREES)
    return CostModel(table.columns, booster, base)
