"""One small model, served with default schedules."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime import Engine, Model
from runtime.timing import seconds_of

BUCKETS = (1, 8)


@pytest.fixture(autouse=True)
def _costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans follow from the sizes of buckets, not from what else the machine does."""

    def secs(runner: Any, batch: int, *rest: Any) -> float:
        assert seconds_of(runner, batch, *rest) > 0.0
        return 1e-6 * (1 + batch)

    monkeypatch.setattr("runtime.compiler.seconds_of", secs)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Keeps no code on disk: what is compiled can be counted."""
    return Engine(use_records=False, cache_bytes=0)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of compiled code, for tests that are not about compiling."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def served(engine: Engine, small_dlrm: Path) -> Model:
    """Not to be refreshed: tests share it."""
    return engine.load(small_dlrm, buckets=BUCKETS)


@pytest.fixture(scope="session")
def keeping(kept: Path) -> Engine:
    """Keeps what it compiles in `kept`."""
    return Engine(use_records=False, cache=kept)


@pytest.fixture
def own(keeping: Engine, small_dlrm: Path) -> Model:
    """A model of the test's own."""
    return keeping.load(small_dlrm, buckets=(8,))


@functools.lru_cache(maxsize=8)
def _module(path: Path, _changed: int) -> Any:
    import torch

    return torch.export.load(path).module()


def torch_scores(path: Path, *inputs: np.ndarray) -> np.ndarray:
    """Scores of the exported program."""
    import torch

    module = _module(path, path.stat().st_mtime_ns)
    with torch.no_grad():
        scores: np.ndarray = module(*(torch.tensor(x) for x in inputs)).numpy()
    return scores


def open_bags() -> tuple[Any, tuple[Any, ...], Any]:
    """A model whose shapes are all open, so that it has no program; an example, and its export."""
    import torch
    from torch import nn

    class Bags(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag = nn.EmbeddingBag(20, 16, mode="sum")

        def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.bag(ids, offsets))

    count, bags = torch.export.Dim("count", min=1), torch.export.Dim("bags", min=1)
    example = (torch.arange(6), torch.tensor([0, 2, 4]))
    module = Bags().eval()
    with torch.no_grad():
        program = torch.export.export(
            module, example, dynamic_shapes=({0: count}, {0: bags}), strict=False
        )
    return module, example, program
