"""Bundles are written whole, reuse what is there, and go back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from runtime import Engine, Model
from runtime.bundle import BundleError, BundleFolder, export
from runtime.bundle.folder import MANIFEST, VERSIONS
from runtime.bundle.manifest import plan_of
from runtime.plan import Planner
from tests.unit.runtime.conftest import open_bags


def _manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return found


def test_what_a_manifest_says(served: Model, tmp_path: Path) -> None:
    exported = export([served], tmp_path / "b", name="ranker")
    said = _manifest(tmp_path / "b")
    assert said["model"] == "ranker"
    assert said["graph"] == served.digest
    dense, sparse = said["inputs"]
    assert (dense["dtype"], dense["shape"], dense["rows"]) == ("float32", [5], None)
    assert (sparse["dtype"], sparse["shape"], sparse["rows"]) == ("int64", [4, 3], [100])
    assert said["outputs"] == [{"name": "output_0", "dtype": "float32", "shape": []}]
    (arch,) = said["archs"]
    assert [bucket["batch"] for bucket in arch["buckets"]] == [1, 8]
    files = [arch["weights"], *(bucket["code"] for bucket in arch["buckets"])]
    for file in files:
        content = (tmp_path / "b" / file["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            file["bytes"], file["sha256"])  # fmt: skip
    assert exported.written == sum(file["bytes"] for file in files)
    for array in arch["arrays"]:
        assert array["offset"] % 64 == 0
        assert array["offset"] + array["bytes"] <= arch["weights"]["bytes"]


def test_weights_and_constants_lie_where_it_says(served: Model, tmp_path: Path) -> None:
    export([served], tmp_path)
    (arch,) = _manifest(tmp_path)["archs"]
    content = (tmp_path / arch["weights"]["file"]).read_bytes()
    lies = [content[a["offset"] :][: a["bytes"]] for a in arch["arrays"]]
    views = served.served.weights.views
    assert lies[: len(views)] == [view.tobytes() for view in views]


@pytest.mark.parametrize("seconds", [{1: 1.0, 8: 2.0}, {1: 1.0, 8: 9.0}, {3: 1.0}])
def test_the_plan_is_the_planners(seconds: dict[int, float]) -> None:
    table, beyond = plan_of(seconds)
    planner = Planner(seconds)
    for batch in (1, 2, 5, 8, 9, 16, 17, 40):
        pieces, rest = [], batch
        while rest > 0:
            bucket = table[rest - 1] if rest <= len(table) else beyond
            pieces.append(bucket)
            rest -= bucket
        assert pieces == [bucket for _, _, bucket in planner.pieces(batch)]


def test_what_is_there_is_not_written_again(own: Model, tmp_path: Path) -> None:
    first = export([own], tmp_path)
    assert first.written > 0
    again = export([own], tmp_path)
    assert (again.written, again.version) == (0, 1)
    own.refresh({"top.0.bias": own_weight(own, "top.0.bias") + 1})
    fresh = export([own], tmp_path)
    assert (fresh.version, fresh.written) == (2, fresh.archs[0].weights.bytes)


def own_weight(model: Model, name: str) -> Any:
    import numpy as np

    shape, dtype = model.parameters[name]
    return np.zeros(shape, dtype)


def _versions(model: Model, folder: Path, count: int, keep: int) -> None:
    for i in range(count):
        model.refresh({"top.0.bias": own_weight(model, "top.0.bias") + i})
        export([model], folder, keep=keep)


def test_old_versions_go_with_their_files(own: Model, tmp_path: Path) -> None:
    _versions(own, tmp_path, count=4, keep=2)
    assert [p.name for p in sorted((tmp_path / VERSIONS).iterdir())] == [
        "000003.json", "000004.json"]  # fmt: skip
    assert len(list(tmp_path.glob("weights-*"))) == 2
    assert len(list(tmp_path.glob("code-*"))) == 1


def test_back_to_the_version_before(own: Model, tmp_path: Path) -> None:
    _versions(own, tmp_path, count=3, keep=3)
    second = (tmp_path / VERSIONS / "000002.json").read_bytes()
    with BundleFolder(tmp_path, create=False) as folder:
        assert folder.roll_back() == 2
        assert (tmp_path / MANIFEST).read_bytes() == second
        assert folder.roll_back() == 1
        with pytest.raises(BundleError, match="no version to go back to"):
            folder.roll_back()


def test_a_writer_that_was_killed(own: Model, tmp_path: Path) -> None:
    """It left a part of a file, a file that was cut off, and a version that never served."""
    _versions(own, tmp_path, count=2, keep=3)
    (tmp_path / "tmpabc.part").write_bytes(b"half")
    weights = tmp_path / _manifest(tmp_path)["archs"][0]["weights"]["file"]
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    (tmp_path / VERSIONS / "000003.json").write_bytes((tmp_path / MANIFEST).read_bytes() + b" ")
    with BundleFolder(tmp_path, create=False) as folder:
        assert folder.roll_back() == 1
    assert not list(tmp_path.glob("*.part"))
    assert [p.name for p in (tmp_path / VERSIONS).iterdir()] == ["000001.json"]
    assert export([own], tmp_path).version == 2
    assert weights.read_bytes() == whole


def test_a_manifest_of_no_version_is_no_way_back(own: Model, tmp_path: Path) -> None:
    _versions(own, tmp_path, count=2, keep=3)
    (tmp_path / MANIFEST).write_text("{}")
    with (
        BundleFolder(tmp_path, create=False) as folder,
        pytest.raises(BundleError, match="serves none of its versions"),
    ):
        folder.roll_back()
    assert len(list((tmp_path / VERSIONS).iterdir())) == 2
    assert export([own], tmp_path).version == 3


def test_folders_of_others_stay_as_they_are(served: Model, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(BundleError, match="no bundle"):
        export([served], tmp_path)
    with pytest.raises(BundleError, match="no bundle"):
        BundleFolder(tmp_path / "absent", create=False).__enter__()
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_one_writer_at_a_time(served: Model, tmp_path: Path) -> None:
    with (
        BundleFolder(tmp_path / "b"),
        pytest.raises(BundleError, match="another process writes"),
    ):
        export([served], tmp_path / "b")


def test_models_of_two_graphs_are_no_bundle(served: Model, engine: Engine, tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        program = torch.export.export(
            nn.Linear(16, 16).eval(), (torch.ones(2, 16),), dynamic_shapes=({0: batch},)
        )
    other = engine.load(program, buckets=(1,))
    with pytest.raises(BundleError, match="different graphs"):
        export([served, other], tmp_path)


def test_what_needs_the_virtual_machine_is_told(engine: Engine, tmp_path: Path) -> None:
    _, _, program = open_bags()
    with pytest.raises(BundleError, match=r"bucket 4 cannot be exported: .*serve this model from"):
        export([engine.load(program, buckets=(4,))], tmp_path)
    assert not (tmp_path / MANIFEST).exists()
