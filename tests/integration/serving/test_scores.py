"""The C++ host scores as Python does, bit for bit, and without Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from runtime import Engine, Model
from runtime.bundle import export
from tests.debian import run
from tests.integration.serving.conftest import Refused, Scorer, one_output


def test_a_hundred_random_batches(host: Path, versions: Path, second: Model) -> None:
    rng = np.random.default_rng(0)
    batches = [*second.buckets, *(int(n) for n in rng.integers(1, 40, 98))]
    with Scorer(host / "bin" / "tunefleet-score", versions, one_output) as scorer:
        for seed, batch in enumerate(batches):
            inputs = second.random_inputs(batch, seed)
            (scores,) = scorer.score(batch, inputs)
            assert scores.tobytes() == second(*inputs).tobytes(), f"batch {batch}, seed {seed}"


def test_no_python_in_the_process(host: Path, versions: Path, model: Model) -> None:
    program = host / "bin" / "tunefleet-score"
    with Scorer(program, versions, one_output) as scorer:
        scorer.score(1, model.random_inputs(1))
        maps = Path(f"/proc/{scorer.process.pid}/maps").read_text()
    libraries = run("ldd", program)
    for text in (maps, libraries):
        assert "libtvm_ffi" in text
        # Not in any way: neither an interpreter nor anything from where it is installed.
        assert "python" not in text.lower()
    assert "tunefleet-code" in maps


class _Kinds(nn.Module):
    """Row numbers of two tables as integers and as floats, an input for all, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Embedding(30, 8), nn.Embedding(50, 8)
        self.dense = nn.Linear(24, 3)

    def forward(
        self, ids: torch.Tensor, more: torch.Tensor, shift: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = self.first(ids[:, 0]), self.second(ids[:, 1])
        y = self.dense(torch.cat([a, b, self.second(more[:, 1].long())], 1)) + shift
        return torch.sigmoid(y), y.sum(1)


@pytest.fixture(scope="module")
def kinds(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    batch = torch.export.Dim("batch", min=1)
    example = (torch.ones(4, 2, dtype=torch.int64), torch.ones(4, 2), torch.ones(3))
    with torch.no_grad():
        program = torch.export.export(
            _Kinds().eval(), example, dynamic_shapes=({0: batch}, {0: batch}, None)
        )
    model = engine.load(program, buckets=(4,))
    folder = tmp_path_factory.mktemp("kinds") / "kinds"
    export([model], folder, name="kinds")
    return model, folder


def _rooms(batch: int) -> list[np.ndarray]:
    return [np.empty((batch, 3), np.float32), np.empty(batch, np.float32)]


@pytest.mark.parametrize("batch", [1, 4, 11])
def test_several_inputs_and_outputs(checked: Path, kinds: tuple[Model, Path], batch: int) -> None:
    model, folder = kinds
    inputs = model.random_inputs(batch, batch)
    with Scorer(checked / "tunefleet-score", folder, _rooms) as scorer:
        for have, want in zip(scorer.score(batch, inputs), model(*inputs), strict=True):
            assert have.tobytes() == want.tobytes()


@pytest.mark.parametrize(
    ("at", "column", "bad"),
    [(0, 0, 30), (0, 1, 50), (0, 0, -1), (1, 1, 50.0), (1, 1, np.nan), (1, 1, -1.0), (1, 1, 1e30)],
)
def test_rows_outside_of_a_table_are_refused_and_named(
    checked: Path, kinds: tuple[Model, Path], at: int, column: int, bad: float
) -> None:
    model, folder = kinds
    inputs = model.random_inputs(6)
    good = [array.copy() for array in inputs]
    inputs[at][5, column] = bad
    with Scorer(checked / "tunefleet-score", folder, _rooms) as scorer:
        with pytest.raises(Refused, match=rf"row 5, element {column}: .* is outside \[0, [35]0\)"):
            scorer.score(6, inputs)
        # The next call is none the worse for it.
        assert scorer.score(6, good)[1].tobytes() == model(*good)[1].tobytes()


def test_a_batch_of_nothing_is_refused(checked: Path, versions: Path, model: Model) -> None:
    with Scorer(checked / "tunefleet-score", versions, one_output) as scorer:
        empty = [array[:0] for array in model.random_inputs(1)]
        with pytest.raises(Refused, match="no rows"):
            scorer.score(0, empty)
