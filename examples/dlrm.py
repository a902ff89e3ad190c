"""The deep learning recommendation model (DLRM), exported to a ``.pt2`` file.

Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation
Systems", 2019, https://arxiv.org/abs/1906.00091.

Run ``python -m examples.dlrm OUT.pt2``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from examples._pt2 import export_pt2


@dataclass(frozen=True, slots=True)
class DLRMConfig:
    """The size of a :class:`DLRM`."""

    #: Columns of the input ``dense``.
    dense_features: int = 13
    #: Embedding tables, one per categorical feature.
    tables: int = 26
    #: Rows of each table.
    rows: int = 10_000
    #: Columns of each table, and of the bottom MLP's output.
    dim: int = 64
    #: Indices that one example looks up in each table; their rows are summed.
    hots: int = 4
    #: Hidden layers of the MLP over the dense features; its output layer has `dim` units.
    bottom: tuple[int, ...] = (512, 256)
    #: Hidden layers of the MLP over the interactions; its output layer has one unit.
    top: tuple[int, ...] = (512, 256)


#: The model of ``tunefleet demo``: 68 MB of weights.
FULL_SIZE = DLRMConfig()


class DLRM(nn.Module):
    """Embedding bags and a dense MLP, their pairwise dot products, and an MLP over those.

    Inputs are `dense`, float32 ``[batch, dense_features]``, and `sparse`, int64
    ``[batch, tables, hots]``; the output is float32 ``[batch]``, probabilities.
    """

    pairs: Tensor

    def __init__(self, config: DLRMConfig) -> None:
        super().__init__()
        vectors = config.tables + 1
        self.tables = nn.ModuleList(
            nn.EmbeddingBag(config.rows, config.dim, mode="sum") for _ in range(config.tables)
        )
        self.bottom = _mlp(config.dense_features, *config.bottom, config.dim).append(nn.ReLU())
        self.top = _mlp(config.dim + vectors * (vectors - 1) // 2, *config.top, 1)
        self.register_buffer("pairs", torch.tril_indices(vectors, vectors, -1), persistent=False)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Score a batch."""
        return torch.sigmoid(self.logits(dense, sparse))

    def logits(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Score a batch, before the sigmoid."""
        x = self.bottom(dense)
        bags = [table(sparse[:, i]) for i, table in enumerate(self.tables)]
        vectors = torch.stack([x, *bags], dim=1)
        dots = torch.bmm(vectors, vectors.transpose(1, 2))
        interactions = dots[:, self.pairs[0], self.pairs[1]]
        logits: Tensor = self.top(torch.cat([x, interactions], dim=1))
        return logits.squeeze(1)


def build_dlrm(config: DLRMConfig = FULL_SIZE, seed: int = 0) -> DLRM:
    """Make a DLRM whose scores spread over (0, 1) as those of a trained one do.

    An untrained network's scores all lie close to 0.5, where a wrong kernel is easily mistaken
    for a right one.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = DLRM(config).eval()
        for module in model.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.uniform_(module.bias, -0.1, 0.1)
            elif isinstance(module, nn.EmbeddingBag):
                # The dot product of two bags then has a variance of one.
                nn.init.normal_(module.weight, std=config.dim**-0.25 * config.hots**-0.5)
        _spread_scores(model, random_inputs(config, batch=1024, seed=seed))
    return model


def random_inputs(config: DLRMConfig, batch: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Make the inputs `dense` and `sparse` of a :class:`DLRM` for `batch` examples."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(batch, config.dense_features, generator=generator)
    sparse = torch.randint(
        config.rows, (batch, config.tables, config.hots), generator=generator, dtype=torch.int64
    )
    return dense, sparse


def export_dlrm(path: Path | str, seed: int = 0, config: DLRMConfig = FULL_SIZE) -> ExportedProgram:
    """Write the DLRM of :func:`build_dlrm` to `path`; its inputs take any batch size."""
    return export_pt2(build_dlrm(config, seed), random_inputs(config, batch=2), path)


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _spread_scores(model: DLRM, inputs: tuple[Tensor, Tensor]) -> None:
    """Scale the last layer so that 95 % of the scores lie within (0.05, 0.95)."""
    logits = model.logits(*inputs)
    scale = 1.5 / logits.std()
    last = model.top[-1]
    assert isinstance(last, nn.Linear)
    last.weight.mul_(scale)
    last.bias.sub_(logits.mean()).mul_(scale)


def main(argv: Sequence[str] | None = None) -> None:
    """Write a DLRM with random weights."""
    parser = argparse.ArgumentParser(prog="python -m examples.dlrm", description=main.__doc__)
    parser.add_argument("path", type=Path, metavar="OUT.pt2")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default: 0)")
    parser.add_argument(
        "--rows", type=int, default=FULL_SIZE.rows, help="of each table (default: 10000)"
    )
    args = parser.parse_args(argv)
    export_dlrm(args.path, seed=args.seed, config=DLRMConfig(rows=args.rows))
    print(f"{args.path}: {args.path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
