from __future__ import annotations

from pathlib import Path

import pytest
import torch

from examples.dlrm import DLRM, FULL_SIZE, DLRMConfig, build_dlrm, export_dlrm, main, random_inputs
from tests.models import SMALL_DLRM


@pytest.mark.parametrize("batch", [1, 3, 17])
def test_exported_dlrm_scores_any_batch_like_the_module(small_dlrm: Path, batch: int) -> None:
    exported = torch.export.load(small_dlrm).module()
    inputs = random_inputs(SMALL_DLRM, batch, seed=1)
    scores = exported(*inputs)
    assert scores.shape == (batch,)
    torch.testing.assert_close(scores, build_dlrm(SMALL_DLRM)(*inputs))


def test_batch_is_one_symbol_with_no_upper_bound(small_dlrm: Path) -> None:
    (constraint,) = torch.export.load(small_dlrm).range_constraints.values()
    assert constraint.lower == 1
    assert not constraint.upper.is_Integer


def test_batch_of_one_and_of_many_share_a_graph(small_dlrm: Path) -> None:
    exported = torch.export.load(small_dlrm).module()
    dense, sparse = random_inputs(SMALL_DLRM, batch=5)
    one_by_one = [exported(dense[i : i + 1], sparse[i : i + 1]) for i in range(5)]
    torch.testing.assert_close(torch.cat(one_by_one), exported(dense, sparse))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("config", [SMALL_DLRM, FULL_SIZE], ids=["small", "full"])
def test_scores_spread(config: DLRMConfig, seed: int) -> None:
    with torch.no_grad():
        scores = build_dlrm(config, seed)(*random_inputs(config, batch=512, seed=seed + 10))
    low, high = scores.quantile(torch.tensor([0.05, 0.95]))
    assert low < 0.2
    assert high > 0.8
    assert ((scores > 0.05) & (scores < 0.95)).float().mean() > 0.85


def test_seed_decides_the_weights_and_nothing_else() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (build_dlrm(SMALL_DLRM, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)
    assert first.keys() == other.keys()


def test_full_size_has_68_megabytes_of_weights() -> None:
    with torch.device("meta"):
        model = DLRM(FULL_SIZE)
    assert sum(p.numel() * 4 for p in model.parameters()) == pytest.approx(68e6, rel=0.02)


def test_failed_export_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dlrm.pt2"
    path.write_bytes(b"old")

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(torch.export, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        export_dlrm(path, config=SMALL_DLRM)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("dlrm.pt2", b"old")]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.pt2"
    main([str(path), "--seed", "2", "--rows", "10"])
    assert capsys.readouterr().out == f"{path}: {path.stat().st_size / 1e6:.1f} MB\n"
    exported = torch.export.load(path)
    expected = build_dlrm(DLRMConfig(rows=10), seed=2).state_dict()
    assert torch.equal(exported.state_dict["tables.0.weight"], expected["tables.0.weight"])
