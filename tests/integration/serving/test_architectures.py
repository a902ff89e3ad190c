"""One bundle for several CPU architectures: each is served with its own code and weights."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from runtime import Engine, Model
from runtime.bundle import export
from tests.integration.serving.conftest import BUCKETS
from tests.integration.serving.server import Server


@pytest.fixture(scope="module")
def older(small_dlrm: Path) -> Model:
    """The same model for CPUs that know nothing beyond AVX2."""
    with Engine(use_records=False, arch="haswell") as engine:
        model = engine.load(small_dlrm, buckets=BUCKETS)
        model.wait()
        return model


@pytest.fixture(scope="module")
def both(model: Model, older: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert model.arch != older.arch
    folder = tmp_path_factory.mktemp("both") / "dlrm"
    export([model, older], folder)
    return folder


def test_each_scores_as_python_does(
    host: Path, both: Path, model: Model, older: Model, tmp_path: Path
) -> None:
    program = host / "bin" / "tunefleet-serve"
    for served in (model, older):
        options = ("--arch", served.arch, "--join-rows", 0, f"dlrm={both}")
        with Server(program, tmp_path, *options) as server:
            assert server.log[0]["arch"] == served.arch
            for batch in (1, 8, 11):
                inputs = served.random_inputs(batch)
                scores = server.infer("dlrm", served.input_specs, inputs)
                assert scores.tobytes() == served(*inputs).tobytes()


def test_the_faster_one_serves_unless_told_otherwise(
    host: Path, both: Path, tmp_path: Path
) -> None:
    manifest = json.loads((both / "manifest.json").read_text())
    for arch in manifest["archs"]:
        for bucket in arch["buckets"]:
            bucket["seconds"] = 1.0 if arch["name"] == "haswell" else 2.0
    (both / "manifest.json").write_text(json.dumps(manifest))
    program = host / "bin" / "tunefleet-serve"
    with Server(program, tmp_path, f"dlrm={both}") as server:
        assert server.log[0]["arch"] == "haswell"
    words = [str(program), "--port", "0", "--arch", "znver9", str(both)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "znver9 is not among them" in json.loads(done.stderr)["reason"]
