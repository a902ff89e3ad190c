"""The example DLRM as a bundle of two versions."""

from __future__ import annotations

from pathlib import Path

from examples.dlrm import export_dlrm
from runtime import Engine, Model
from runtime.bundle import export

#: Of the weights that are served, those of the second version.
SERVED_SEED = 1
_SEEDS = (0, SERVED_SEED)


def two_versions(engine: Engine, folder: Path, buckets: tuple[int, ...]) -> tuple[Model, Path]:
    """Export the model twice, with different weights.

    Returns
    -------
    The model with the weights of the second version, which is the one that is served, and the
    bundle.
    """
    files = [folder / f"dlrm-{seed}.pt2" for seed in _SEEDS]
    for seed, file in zip(_SEEDS, files, strict=True):
        export_dlrm(file, seed=seed)
    model = engine.load(files[0], buckets=buckets)
    export([model], folder / "bundle", name="dlrm")
    model.refresh(files[1])
    export([model], folder / "bundle", name="dlrm")
    return model, folder / "bundle"
