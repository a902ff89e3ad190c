from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from examples.deepctr import SMALL, Architecture, build_ctr, export_ctr, main, random_inputs


@pytest.fixture(scope="module", params=["DeepFM", "WDL"])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    value: Architecture = request.param
    return value


@pytest.fixture(scope="module")
def model(architecture: Architecture) -> nn.Module:
    return build_ctr(architecture)


@pytest.fixture(scope="module")
def exported(
    architecture: Architecture, tmp_path_factory: pytest.TempPathFactory
) -> ExportedProgram:
    path = tmp_path_factory.mktemp("models") / f"{architecture}.pt2"
    export_ctr(architecture, path)
    return torch.export.load(path)


@pytest.mark.parametrize("batch", [1, 3, 17])
def test_exported_model_scores_any_batch_like_the_module(
    model: nn.Module, exported: ExportedProgram, batch: int
) -> None:
    inputs = random_inputs(SMALL, batch, seed=1)
    scores = exported.module()(*inputs)
    assert scores.shape == (batch, 1)
    torch.testing.assert_close(scores, model(*inputs))


def test_batch_is_one_symbol_with_no_upper_bound(exported: ExportedProgram) -> None:
    (constraint,) = exported.range_constraints.values()
    assert constraint.lower == 1
    assert not constraint.upper.is_Integer


def test_scores_spread(model: nn.Module) -> None:
    with torch.no_grad():
        scores = model(*random_inputs(SMALL, batch=512, seed=10))
    low, high = scores.quantile(torch.tensor([0.05, 0.95]))
    assert low < 0.2
    assert high > 0.8


def test_import_starts_no_thread() -> None:
    code = (
        "import threading; from examples.deepctr import build_ctr; build_ctr('WDL');"
        "assert threading.active_count() == 1, threading.enumerate()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.pt2"
    main(["WDL", str(path), "--seed", "2"])
    assert capsys.readouterr().out == f"{path}: {path.stat().st_size / 1e6:.1f} MB\n"
    torch.export.load(path)
