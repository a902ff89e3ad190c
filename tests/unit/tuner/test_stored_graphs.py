"""Graphs read as a file stores them are those that torch's loader and decompositions give."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.archives import members
from tests.helpers import Apply
from tuner.graph.prepare import prepare
from tuner.importers.pt2_archive import Pt2Archive
from tuner.importers.pt2_graph import PLAIN, NotPlain
from tuner.importers.torch_export import import_exported_program, import_pt2
from tuner.workloads.digest import module_digest


def export(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> Path:
    """Write a module of any number of inputs, as `Apply` takes them."""
    batch = torch.export.Dim("batch", min=1)
    shapes = (tuple({0: batch} for _ in inputs),)
    with torch.no_grad():
        program = torch.export.export(module.eval(), inputs, dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


def weighted_bags(m: Any, indices: Tensor, factors: Tensor) -> Tensor:
    summed = nn.functional.embedding_bag(
        indices, m.table.weight, mode="sum", per_sample_weights=factors
    )
    return torch.cat([summed, m.table(indices)], 1)


def arithmetic(m: Any, x: Tensor, y: Tensor) -> Tensor:
    both = torch.stack([torch.tanh(x), 2.0 * y, x / 3.0], 1)
    sides = torch.stack([x - y, x * y], -1)
    joined = torch.cat([both.transpose(1, 2), sides.unsqueeze(3).squeeze(3)], 2)
    kept: Tensor = torch.sigmoid(m.last(m.first(joined.reshape(-1, 20)))) + m.offset
    return kept.view(-1, 3)[:, 1]


#: What a module computes, its submodules, and inputs of two examples.
FORMS: dict[str, tuple[Callable[..., Tensor], dict[str, nn.Module], tuple[Tensor, ...]]] = {
    "weighted bags": (
        weighted_bags,
        {"table": nn.EmbeddingBag(50, 6, mode="mean")},
        (torch.ones(2, 4, dtype=torch.int64), torch.randn(2, 4)),
    ),
    "arithmetic": (
        arithmetic,
        {"first": nn.Linear(20, 8), "last": nn.Linear(8, 3, bias=False)},
        (torch.randn(2, 4), torch.randn(2, 4)),
    ),
}


@pytest.fixture(scope="module")
def plain(small_dlrm: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of models that are read as they are stored."""
    files = {"dlrm": small_dlrm}
    for form, (forward, modules, inputs) in FORMS.items():
        module = Apply(forward, **modules)
        module.register_buffer("offset", torch.randn(3))
        path = tmp_path_factory.mktemp("plain") / "model.pt2"
        files[form] = export(module, inputs, path)
    return files


@pytest.mark.parametrize("form", ["dlrm", *FORMS])
def test_both_ways_give_the_same_graph(form: str, plain: dict[str, Path]) -> None:
    with Pt2Archive(plain[form]) as archive:
        archive.stored_graph(archive.weights())
    stored = import_pt2(plain[form])
    traced = import_exported_program(torch.export.load(plain[form]), source=str(plain[form]))
    assert stored.inputs == traced.inputs
    assert list(stored.params) == list(traced.params)
    assert stored.unused == traced.unused
    assert stored.batch_var is not None
    for one, other in zip(stored.index_limits, traced.index_limits, strict=True):
        assert (one.input, one.rows.tolist()) == (other.input, other.rows.tolist())
    here, there = prepare(stored), prepare(traced)
    assert here.layouts == there.layouts
    assert module_digest(here.mod) == module_digest(there.mod)


def test_every_plain_operator_is_compared(plain: dict[str, Path]) -> None:
    read: set[str] = set()
    for path in plain.values():
        (stored,) = (n for n in members(path) if n.endswith("models/model.json"))
        with zipfile.ZipFile(path) as archive:
            graph = json.loads(archive.read(stored))["graph_module"]["graph"]
        read |= {node["target"] for node in graph["nodes"]}
    assert read == {*PLAIN, "_operator.mul"}


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: m.linear(x.reshape(-1, 2, 3)),
        lambda m, x: torch.relu_(m.linear(x[:, :3])),
        lambda m, x: m.linear(x[:, :3]) * torch.arange(4),
        lambda m, x: torch.softmax(m.linear(x[:, :3]), 1),
    ],
    ids=["linear over matrices", "in place", "mixed dtypes", "another operator"],
)
def test_what_torch_takes_apart_is_left_to_it(
    forward: Callable[..., Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module = Apply(forward, linear=nn.Linear(3, 4))
    path = export(module, (torch.randn(2, 6),), tmp_path / "model.pt2")
    with Pt2Archive(path) as archive, pytest.raises(NotPlain):
        archive.stored_graph(archive.weights())
    assert import_pt2(path).num_outputs == 1
    assert "left to torch" in caplog.text
