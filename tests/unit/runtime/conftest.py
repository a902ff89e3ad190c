"""One small model, served with default schedules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runtime import Engine, Model

BUCKETS = (1, 8)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Keeps no code on disk: what is compiled can be counted."""
    return Engine(use_records=False, cache_bytes=0)


@pytest.fixture(scope="session")
def served(engine: Engine, small_dlrm: Path) -> Model:
    """Not to be refreshed: tests share it."""
    return engine.load(small_dlrm, buckets=BUCKETS)


@pytest.fixture
def own(engine: Engine, small_dlrm: Path) -> Model:
    """A model of the test's own."""
    return engine.load(small_dlrm, buckets=(8,))


def torch_scores(path: Path, *inputs: np.ndarray) -> np.ndarray:
    """Scores of the exported program."""
    import torch

    module = torch.export.load(path).module()
    with torch.no_grad():
        scores: np.ndarray = module(*(torch.tensor(x) for x in inputs)).numpy()
    return scores
