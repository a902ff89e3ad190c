"""The example DLRM as a bundle of two versions."""

from __future__ import annotations

from pathlib import Path

from examples.dlrm import export_dlrm
from runtime import Engine, Model
from runtime.bundle import export


def two_versions(engine: Engine, folder: Path, buckets: tuple[int, ...]) -> tuple[Model, Path]:
    """Export the model twice, with different weights.

    Returns
    -------
    The model with the weights of the second version, which is the one that is served, and the
    bundle.
    """
    files = [folder / f"dlrm-{seed}.pt2" for seed in range(2)]
    for seed, file in enumerate(files):
        export_dlrm(file, seed=seed)
    model = engine.load(files[0], buckets=buckets)
    export([model], folder / "bundle", name="dlrm")
    model.refresh(files[1])
    export([model], folder / "bundle", name="dlrm")
    return model, folder / "bundle"
