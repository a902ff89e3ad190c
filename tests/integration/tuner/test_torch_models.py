"""Torch models of every form go from export to scores, each kernel on its default schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.helpers import Apply, check_torch
from tuner.templates import fallbacks

BATCHES = (1, 3, 16, 17)


def floats(*shape: int) -> Callable[[int], tuple[Tensor, ...]]:
    """Makes one random input ``[batch, *shape]``."""
    return lambda batch: (torch.randn(batch, *shape),)


def indices(rows: int, *shape: int) -> Callable[[int], tuple[Tensor, ...]]:
    """Makes one input of row numbers ``[batch, *shape]``."""
    return lambda batch: (torch.randint(rows, (batch, *shape)),)


#: Inputs and outputs of linear layers: multiples of a register, primes, one.
LINEAR = [(13, 48), (48, 13), (13, 13), (415, 32), (64, 1), (13, 1), (31, 4), (127, 131)]
LINEAR += [(1, 16), (1, 1), (128, 5)]


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "plain"])
def test_linear(bias: bool) -> None:
    layers = {f"l{i}": nn.Linear(k, n, bias=bias) for i, (k, n) in enumerate(LINEAR)}

    def forward(m: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.relu(m.get_submodule(f"l{i}")(x)) for i, x in enumerate(inputs))

    def make(batch: int) -> tuple[Tensor, ...]:
        return tuple(torch.randn(batch, k) for k, _ in LINEAR)

    for bucket in check_torch(Apply(forward, **layers), make, BATCHES):
        assert sorted(bucket.kinds) == ["dense"] * 7 + ["dense_narrow"] * 4


ACTIVATIONS: dict[str, nn.Module] = {
    "elu": nn.ELU(),
    "gelu": nn.GELU(),
    "leaky_relu": nn.LeakyReLU(),
    "sigmoid": nn.Sigmoid(),
    "silu": nn.SiLU(),
    "softplus": nn.Softplus(),
    "tanh": nn.Tanh(),
}


def test_activations_are_fused() -> None:
    layers = {name: nn.Sequential(nn.Linear(24, 40), f) for name, f in ACTIVATIONS.items()}
    module = Apply(lambda m, x: tuple(m.get_submodule(name)(x) for name in layers), **layers)
    (bucket,) = check_torch(module, floats(24))
    assert bucket.kinds == ["dense"] * len(layers)


def test_linear_over_three_axes_is_one_kernel() -> None:
    module = nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 3))
    buckets = check_torch(module, floats(5, 24), BATCHES)
    assert all(bucket.kinds == ["dense", "dense_narrow"] for bucket in buckets)


def test_residual_and_shared_layers() -> None:
    layer = nn.Linear(32, 32)
    module = Apply(lambda m, x: x + m.layer(torch.relu(m.layer(x)) + x), layer=layer)
    check_torch(module, floats(32), (1, 16))


def test_weight_used_in_both_directions() -> None:
    layer = nn.Linear(24, 32, bias=False)
    module = Apply(lambda m, x: m.layer(x) @ m.layer.weight, layer=layer)
    check_torch(module, floats(24), (3,))


@pytest.mark.parametrize("features", [16, 13])
def test_batch_norm_statistics_are_weights(features: int) -> None:
    norm = nn.BatchNorm1d(features)
    with torch.no_grad():
        norm.running_mean = torch.randn(features)
        norm.running_var = torch.rand(features) + 0.5
    module = nn.Sequential(nn.Linear(24, features), norm, nn.ReLU())
    (bucket,) = check_torch(module, floats(24))
    assert {"1.running_mean", "1.running_var"} <= bucket.prepared.model.params.keys()


@pytest.mark.parametrize("hots", [1, 3, 20])
def test_bags_of_fixed_length(hots: int) -> None:
    tables = {
        f"{mode}_{dim}": nn.EmbeddingBag(50, dim, mode=mode)
        for mode in ("sum", "mean")
        for dim in (16, 13)
    }
    tables["padding"] = nn.EmbeddingBag(50, 16, mode="sum", padding_idx=2)

    def forward(m: Any, i: Tensor, w: Tensor) -> tuple[Tensor, ...]:
        bags = [m.get_submodule(name)(i) for name in tables]
        return (*bags, m.sum_16(i, per_sample_weights=w))

    def make(batch: int) -> tuple[Tensor, ...]:
        return torch.randint(50, (batch, hots)), torch.randn(batch, hots)

    for bucket in check_torch(Apply(forward, **tables), make, (1, 3, 17)):
        assert set(bucket.kinds) == {"embedding_bag"}


OFFSETS: list[dict[str, Any]] = [
    {"mode": "sum"},
    {"mode": "mean"},
    {"mode": "sum", "padding_idx": 2},
    {"mode": "sum", "include_last_offset": True},
    {"mode": "mean", "include_last_offset": True},
]


@pytest.mark.parametrize("options", OFFSETS, ids=lambda o: "-".join(map(str, o.values())))
def test_bags_cut_at_offsets(options: dict[str, Any]) -> None:
    last = int(options.get("include_last_offset", False))
    tables = {f"dim_{dim}": nn.EmbeddingBag(7, dim, **options) for dim in (16, 13, 160)}

    def forward(m: Any, x: Tensor, i: Tensor, o: Tensor) -> tuple[Tensor, ...]:
        return (x + 1, *(m.get_submodule(name)(i, o) for name in tables))

    def make(batch: int) -> tuple[Tensor, ...]:
        # Some bags are empty.
        lengths = torch.arange(batch + last) % 4
        offsets = torch.cumsum(lengths, 0) - lengths
        count = int(offsets[-1]) if last else 3 * batch + 7
        return torch.randn(batch, 8), torch.randint(7, (count,)), offsets

    batch, count = torch.export.Dim("batch", min=1), torch.export.Dim("count", min=1)
    shapes = ({0: batch}, {0: count}, {0: batch + 1 if last else batch})
    check_torch(Apply(forward, **tables), make, (3, 17), dynamic_shapes=shapes)


def test_bags_cut_at_offsets_weighted() -> None:
    bag = nn.EmbeddingBag(7, 16, mode="sum")
    module = Apply(lambda m, x, i, o, w: m.bag(i, o, per_sample_weights=w) + x, bag=bag)

    def make(batch: int) -> tuple[Tensor, ...]:
        count = 2 * batch + 3
        offsets = torch.arange(batch) * 2
        return torch.randn(batch, 16), torch.randint(7, (count,)), offsets, torch.randn(count)

    batch, count = torch.export.Dim("batch", min=1), torch.export.Dim("count", min=1)
    shapes = ({0: batch}, {0: count}, {0: batch}, {0: count})
    check_torch(module, make, (1, 3, 17), dynamic_shapes=shapes)


def test_embedding() -> None:
    def make(batch: int) -> tuple[Tensor, ...]:
        return tuple(torch.randint(50, (batch, *shape)) for shape in ((), (1,), (5,), (2, 3)))

    module = Apply(lambda m, *i: tuple(m.table(x) for x in i), table=nn.Embedding(50, 16))
    for bucket in check_torch(module, make, (1, 3, 17)):
        assert set(bucket.kinds) == {"gather"}


@pytest.mark.parametrize("reduce", [torch.sum, torch.mean])
def test_reduced_embedding_is_a_bag(reduce: Any) -> None:
    module = Apply(lambda m, i: reduce(m.table(i), dim=1), table=nn.Embedding(50, 16))
    (bucket,) = check_torch(module, indices(50, 5))
    assert bucket.kinds == ["embedding_bag"]


def test_int32_indices() -> None:
    make = lambda b: (torch.randint(50, (b, 3), dtype=torch.int32),)  # noqa: E731
    check_torch(nn.EmbeddingBag(50, 16, mode="sum"), make, (3,))


def test_embeddings_feed_one_concatenation() -> None:
    tables = nn.ModuleList(nn.Embedding(20, dim) for dim in (8, 16, 1, 13))

    def forward(m: Any, i: Tensor, x: Tensor) -> Tensor:
        rows = [table(i[:, c]) for c, table in enumerate(m.tables)]
        return torch.cat([*rows, x[:, 1:3], x[:, 3:]], dim=1)

    make = lambda b: (torch.randint(20, (b, 4)), torch.randn(b, 7))  # noqa: E731
    buckets = check_torch(Apply(forward, tables=tables), make, BATCHES)
    assert all(len(bucket.uses) == 1 for bucket in buckets)


def test_indices_carried_as_floats() -> None:
    table = nn.Embedding(20, 8)
    module = Apply(lambda m, x: torch.cat([m.table(x[:, 0].long()), x[:, 1:]], dim=1), table=table)
    make = lambda b: (torch.cat([torch.randint(20, (b, 1)).float(), torch.randn(b, 3)], 1),)  # noqa: E731
    (bucket,) = check_torch(module, make)
    assert len(bucket.uses) == 1


def test_picked_pairs() -> None:
    row, column = torch.tril_indices(7, 7, -1)
    module = Apply(lambda m, x: torch.bmm(x, x.transpose(1, 2))[:, row, column])
    check_torch(module, floats(7, 13), BATCHES)


def test_negative_positions_count_from_the_end() -> None:
    at = torch.tensor([-1, 0, -3])
    check_torch(Apply(lambda m, x: x[:, at] * 2), floats(5), (3,))


PRODUCTS = [(27, 64, 27), (5, 7, 3), (1, 16, 16), (16, 1, 33)]


@pytest.mark.parametrize("transposed", [True, False])
def test_products_of_activations(transposed: bool) -> None:
    def forward(_: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
        left, right = inputs[: len(PRODUCTS)], inputs[len(PRODUCTS) :]
        return tuple(
            torch.bmm(x, y.transpose(1, 2) if transposed else y)
            for x, y in zip(left, right, strict=True)
        )

    def make(batch: int) -> tuple[Tensor, ...]:
        right = [(n, k) if transposed else (k, n) for _, k, n in PRODUCTS]
        shapes = [*((m, k) for m, k, _ in PRODUCTS), *right]
        return tuple(torch.randn(batch, *shape) for shape in shapes)

    for bucket in check_torch(Apply(forward), make, (1, 3)):
        assert set(bucket.kinds) == {"batched_matmul"}


def test_attention() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        q, k, v = (f(x).reshape(-1, 6, 2, 8).transpose(1, 2) for f in (m.q, m.k, m.v))
        weights = torch.softmax(q @ k.transpose(2, 3) / 8**0.5, dim=-1)
        scores: Tensor = (weights @ v).transpose(1, 2).reshape(-1, 6 * 16)
        return scores

    layers = {name: nn.Linear(24, 16) for name in "qkv"}
    check_torch(Apply(forward, **layers), floats(6, 24), (1, 3, 16))


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "whole"])
def test_scaled_dot_product_attention(masked: bool) -> None:
    def forward(m: Any, x: Tensor, *masks: Tensor) -> Tensor:
        q, k, v = (f(x).reshape(-1, 6, 2, 8).transpose(1, 2) for f in (m.q, m.k, m.v))
        mask = masks[0][:, None, None, :] if masks else None
        heads = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return heads.transpose(1, 2).reshape(-1, 6 * 16)

    def make(batch: int) -> tuple[Tensor, ...]:
        mask = torch.arange(6) < torch.arange(batch)[:, None] % 6 + 1
        return (torch.randn(batch, 6, 24), *([mask] if masked else []))

    layers = {name: nn.Linear(24, 16) for name in "qkv"}
    before = fallbacks()
    check_torch(Apply(forward, **layers), make, (1, 3, 16))
    assert fallbacks() == before


@pytest.mark.parametrize("first", [True, False], ids=["norm first", "norm last"])
def test_transformer(first: bool) -> None:
    layer = nn.TransformerEncoderLayer(
        24, 2, 48, dropout=0.0, batch_first=True, activation="gelu", norm_first=first
    )
    before = fallbacks()
    buckets = check_torch(layer, floats(6, 24), (1, 3, 17))
    assert {"softmax", "layer_norm", "batched_matmul"} <= set(buckets[0].kinds)
    assert fallbacks() == before


def test_attention_over_a_history() -> None:
    """As in a deep interest network: rows that a user saw, weighted by a small network."""

    def forward(m: Any, x: Tensor, history: Tensor) -> Tensor:
        query = x[:, None, :].expand(-1, 7, -1)
        scores = m.score(torch.cat([query, history, query - history, query * history], -1))
        return (torch.softmax(scores, 1) * history).sum(1)

    score = nn.Sequential(nn.Linear(64, 20), nn.Sigmoid(), nn.Linear(20, 1))
    make = lambda b: (torch.randn(b, 16), torch.randn(b, 7, 16))  # noqa: E731
    check_torch(Apply(forward, score=score), make, (1, 3, 16))


def test_norms_and_activations_between_layers() -> None:
    module = nn.Sequential(
        *(nn.Linear(24, 63), nn.LayerNorm(63), nn.GELU()),
        *(nn.Linear(63, 64), nn.RMSNorm(64), nn.SiLU()),
        *(nn.Linear(64, 1), nn.Sigmoid()),
    )
    (bucket,) = check_torch(module, floats(24), (17,))
    kinds = "dense layer_norm dense elementwise reduction dense_narrow"
    assert bucket.kinds == kinds.split()


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda x: torch.softmax(x, dim=-1),
    "softmax_axis_1": lambda x: torch.softmax(x, dim=1),
    "log_softmax": lambda x: torch.log_softmax(x, dim=-1),
    "layer_norm": lambda x: nn.functional.layer_norm(x, x.shape[-1:]),
    "sum_last": lambda x: x.sum(-1),
    "sum_axis_1": lambda x: x.sum(1),
    "sum_all": lambda x: x.flatten(1).sum(1, keepdim=True),
    "mean_axis_1": lambda x: x.mean(1),
    "max_last": lambda x: x.amax(-1),
    "max_axis_1": lambda x: x.amax(1),
    "norm": lambda x: x / x.pow(2).sum(-1, keepdim=True).sqrt(),
    "fm": lambda x: 0.5 * (x.sum(1) ** 2 - (x**2).sum(1)).sum(-1, keepdim=True),
    "chain": lambda x: torch.sigmoid(x * 2 + 1) * torch.tanh(x) - x.abs(),
    "where": lambda x: torch.where(x > 0, x, x * 0.1),
    "transpose": lambda x: x.transpose(1, 2) + 1,
    "slice": lambda x: x[:, 1:4:2, 2:],
    "stack": lambda x: torch.stack([x[:, 0], x[:, 1] * 2], dim=1),
    "concat_axis_1": lambda x: torch.cat([x, x * 2], dim=1),
    "concat_last": lambda x: torch.cat([x, x * 2], dim=-1),
    "split": lambda x: torch.chunk(x, 2, dim=-1)[1] * 2,
    "cumsum": lambda x: torch.cumsum(x, dim=1),
    "cast": lambda x: (x > 0).float() * x,
    "broadcast": lambda x: x * x[:, :1],
    "argmax": lambda x: torch.argmax(x, dim=-1).float(),
    "outer": lambda x: x[:, :, None, :] * x[:, None, :, :],
    "expand": lambda x: x[:, :1].expand(-1, 6, -1) + x,
}


@pytest.mark.parametrize("width", [16, 13, 256])
def test_functions(width: int) -> None:
    module = Apply(lambda _, x: tuple(function(x) for function in FUNCTIONS.values()))
    check_torch(module, floats(6, width), (3,), labels=list(FUNCTIONS))
