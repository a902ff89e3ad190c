"""What the cost model sees of a scheduled function: MetaSchedule's features of each store.

Features: Zheng et al., "Ansor" (2020), appendix B, as `tvm.s_tir.meta_schedule` extracts them: for
each statement that stores, 164 figures on arithmetic, loops, memory accesses and their reuse.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tvm.s_tir import Schedule
from tvm.s_tir.meta_schedule import MeasureCandidate, TuneContext
from tvm.s_tir.meta_schedule.feature_extractor import PerStoreFeature

from tuner.cost_model import Table

#: Features of a store.
_WIDTH = 164
#: Names of the features.
STORE_COLUMNS = tuple(f"{part}.{i:03d}" for part in ("main", "rest") for i in range(_WIDTH))
#: Column of the extents of all loops around a store, multiplied: how often it runs.
_RUNS = -3


def store_features(context: TuneContext, schedules: Sequence[Schedule]) -> Table:
    """Features of scheduled functions of one workload.

    The store that runs most often stands alone, as ``main.*``, because it decides; of all others
    the largest value of each feature is taken, as ``rest.*``.

    Returns
    -------
    One row per function.
    """
    extractor = PerStoreFeature()
    # Its argument types, which this extractor does not look at, are left out.
    candidates = [MeasureCandidate(sch, []) for sch in schedules]
    stores = [t.numpy() for t in extractor.extract_from(context, candidates)]
    rows = np.full((len(schedules), len(STORE_COLUMNS)), np.nan, np.float32)
    for row, found in zip(rows, stores, strict=True):
        if len(found):
            main = int(found[:, _RUNS].argmax())
            row[:_WIDTH] = found[main]
            row[_WIDTH:] = np.delete(found, main, axis=0).max(axis=0, initial=0.0)
    return Table(STORE_COLUMNS, rows)
