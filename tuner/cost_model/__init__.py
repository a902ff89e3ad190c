"""The cost model: ranks candidates by what was measured of others, so that few need measuring."""

from tuner.cost_model.features import config_features
from tuner.cost_model.ranker import CostModel, fit
from tuner.cost_model.table import Table, relative_speed
from tuner.cost_model.training import Dataset, Trained, dataset, train

__all__ = [
    "CostModel",
    "Dataset",
    "Table",
    "Trained",
    "config_features",
    "dataset",
    "fit",
    "relative_speed",
    "train",
]
