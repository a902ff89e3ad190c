"""DeepFM and Wide & Deep as the package deepctr-torch writes them, exported to ``.pt2`` files.

They show that models nobody here wrote go the same way. Their single input is float32
``[batch, sparse + dense]``: deepctr-torch carries indices as floats and casts them, column by
column. The output is float32 ``[batch, 1]``, probabilities.

Run ``python -m examples.deepctr DeepFM OUT.pt2``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from examples._pt2 import export_pt2

Architecture = Literal["DeepFM", "WDL"]


@dataclass(frozen=True, slots=True)
class CTRConfig:
    """The size of a deepctr-torch model."""

    #: Categorical features, one index each: the first columns of the input.
    sparse_features: int = 8
    #: Numbers: the columns behind them.
    dense_features: int = 5
    #: Rows of each embedding table.
    rows: int = 1_000
    #: Columns of each embedding table.
    dim: int = 16
    #: Hidden layers of the deep part.
    hidden: tuple[int, ...] = (128, 64)


SMALL = CTRConfig()


def build_ctr(architecture: Architecture, config: CTRConfig = SMALL, seed: int = 0) -> nn.Module:
    """Make a model of deepctr-torch with random weights, its scores spread over (0, 1)."""
    inputs, models = _import_deepctr()
    columns = [
        inputs.SparseFeat(f"sparse_{i}", config.rows, embedding_dim=config.dim)
        for i in range(config.sparse_features)
    ] + [inputs.DenseFeat(f"dense_{i}") for i in range(config.dense_features)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model: nn.Module = getattr(models, architecture)(
            columns, columns, dnn_hidden_units=config.hidden, seed=seed
        )
        _spread_scores(model.eval(), random_inputs(config, batch=1024, seed=seed))
    return model


def random_inputs(config: CTRConfig, batch: int, seed: int = 0) -> tuple[Tensor]:
    """Make the input of a model for `batch` examples, in a tuple as the inputs of any model."""
    generator = torch.Generator().manual_seed(seed)
    sparse = torch.randint(config.rows, (batch, config.sparse_features), generator=generator)
    dense = torch.rand(batch, config.dense_features, generator=generator)
    return (torch.cat([sparse.float(), dense], dim=1),)


def export_ctr(
    architecture: Architecture, path: Path | str, seed: int = 0, config: CTRConfig = SMALL
) -> ExportedProgram:
    """Write the model of :func:`build_ctr` to `path`; its input takes any batch size."""
    model = build_ctr(architecture, config, seed)
    return export_pt2(model, random_inputs(config, batch=2), path)


def _spread_scores(model: nn.Module, inputs: tuple[Tensor]) -> None:
    """Redraw the weights: with those of deepctr-torch every score is 0.5000."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5 if module.embedding_dim == 1 else 0.25)
    model.get_parameter("out.bias").sub_(torch.logit(model(*inputs)).mean())


def _import_deepctr() -> tuple[ModuleType, ModuleType]:
    """Import deepctr-torch without its search for a newer version of itself.

    Importing it starts a thread that asks a package index and prints when it cannot. Its module
    ``utils`` holds nothing but that.
    """
    silent = ModuleType("deepctr_torch.utils")
    vars(silent)["check_version"] = lambda _version: None
    sys.modules.setdefault(silent.__name__, silent)

    import deepctr_torch.inputs
    import deepctr_torch.models

    return deepctr_torch.inputs, deepctr_torch.models


def main(argv: Sequence[str] | None = None) -> None:
    """Write a model of deepctr-torch with random weights."""
    parser = argparse.ArgumentParser(prog="python -m examples.deepctr", description=main.__doc__)
    parser.add_argument("architecture", choices=get_args(Architecture))
    parser.add_argument("path", type=Path, metavar="OUT.pt2")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default: 0)")
    args = parser.parse_args(argv)
    export_ctr(cast("Architecture", args.architecture), args.path, seed=args.seed)
    print(f"{args.path}: {args.path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
