from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import numpy_helper

from examples.mlp_onnx import SMALL, export_wide_deep, main, random_inputs


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "wide_deep.onnx"
    export_wide_deep(path)
    return path


@pytest.fixture(scope="module")
def session(model_path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model_path)


def test_batch_has_a_name(session: onnxruntime.InferenceSession) -> None:
    shapes = {value.name: value.shape for value in [*session.get_inputs(), *session.get_outputs()]}
    assert shapes == {"wide": ["batch", 32], "deep": ["batch", 64], "scores": ["batch", 1]}


@pytest.mark.parametrize("batch", [1, 3, 17])
def test_any_batch_is_scored_like_its_examples(
    session: onnxruntime.InferenceSession, batch: int
) -> None:
    wide, deep = random_inputs(SMALL, batch, seed=1)
    (scores,) = session.run(None, {"wide": wide, "deep": deep})
    assert scores.shape == (batch, 1)
    for row in range(batch):
        (score,) = session.run(None, {"wide": wide[row : row + 1], "deep": deep[row : row + 1]})
        np.testing.assert_allclose(score[0], scores[row], atol=1e-6)


def test_scores_spread(session: onnxruntime.InferenceSession) -> None:
    wide, deep = random_inputs(SMALL, batch=512, seed=10)
    (scores,) = session.run(None, {"wide": wide, "deep": deep})
    low, high = np.quantile(scores, [0.05, 0.95])
    assert low < 0.2
    assert high > 0.8


def test_seed_decides_the_weights(tmp_path: Path) -> None:
    first, again, other = (
        [
            numpy_helper.to_array(tensor)
            for tensor in export_wide_deep(tmp_path / "model.onnx", seed).graph.initializer
        ]
        for seed in (3, 3, 4)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    main([str(path), "--seed", "2"])
    assert capsys.readouterr().out == f"{path}: {path.stat().st_size / 1e6:.1f} MB\n"
    onnxruntime.InferenceSession(path)
