"""A small Wide & Deep model, written as an ``.onnx`` file by hand: no PyTorch is needed.

Linear layers occur in both forms that exporters write: ``Gemm``, and ``MatMul`` with ``Add``.

Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016,
https://arxiv.org/abs/1606.07792.

Run ``python -m examples.mlp_onnx OUT.onnx``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class WideDeepConfig:
    """The size of a Wide & Deep model."""

    #: Columns of the input ``wide``.
    wide_features: int = 32
    #: Columns of the input ``deep``.
    deep_features: int = 64
    #: Units of the two layers of the deep part.
    hidden: tuple[int, int] = (256, 128)


SMALL = WideDeepConfig()


def random_inputs(config: WideDeepConfig, batch: int, seed: int = 0) -> tuple[Array, Array]:
    """Make the inputs ``wide`` and ``deep``, float32 ``[batch, features]``."""
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((batch, config.wide_features), dtype=np.float32),
        rng.standard_normal((batch, config.deep_features), dtype=np.float32),
    )


def build_wide_deep(config: WideDeepConfig = SMALL, seed: int = 0) -> onnx.ModelProto:
    """Make the model: inputs ``wide`` and ``deep``, output ``scores``, float32 ``[batch, 1]``.

    The scores spread over (0, 1) as a trained model's do.
    """
    weights = _random_weights(config, seed)
    nodes = [
        helper.make_node("Gemm", ["deep", "deep_1.weight", "deep_1.bias"], ["gemm_1"], transB=1),
        helper.make_node("Relu", ["gemm_1"], ["relu_1"]),
        helper.make_node("MatMul", ["relu_1", "deep_2.weight"], ["matmul_2"]),
        helper.make_node("Add", ["matmul_2", "deep_2.bias"], ["add_2"]),
        helper.make_node("Relu", ["add_2"], ["relu_2"]),
        helper.make_node("Concat", ["wide", "relu_2"], ["features"], axis=1),
        helper.make_node("Gemm", ["features", "head.weight", "head.bias"], ["logits"], transB=1),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "wide_deep",
        inputs=[_batch_of("wide", config.wide_features), _batch_of("deep", config.deep_features)],
        outputs=[_batch_of("scores", 1)],
        initializer=[numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    # What the exporters of 2023 to 2025 write; every runtime in use reads it.
    model = helper.make_model(
        graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)], producer_name="tunefleet"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def export_wide_deep(
    path: Path | str, seed: int = 0, config: WideDeepConfig = SMALL
) -> onnx.ModelProto:
    """Write the model of :func:`build_wide_deep` to `path`; its inputs take any batch size."""
    model = build_wide_deep(config, seed)
    onnx.save(model, path)
    return model


def _batch_of(name: str, columns: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", columns])


def _random_weights(config: WideDeepConfig, seed: int) -> dict[str, Array]:
    first, second = config.hidden
    features = config.wide_features + second
    rng = np.random.default_rng(seed)

    def normal(*shape: int, fan_in: int) -> Array:
        return rng.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5)

    weights = {
        "deep_1.weight": normal(first, config.deep_features, fan_in=config.deep_features),
        "deep_1.bias": normal(first, fan_in=first),
        "deep_2.weight": normal(first, second, fan_in=first),
        "deep_2.bias": normal(second, fan_in=second),
        "head.weight": normal(1, features, fan_in=features),
        "head.bias": np.zeros(1, np.float32),
    }
    # Scale the head so that 95 % of the scores lie within (0.05, 0.95).
    logits = _logits(weights, *random_inputs(config, batch=1024, seed=seed))
    scale = np.float32(1.5) / logits.std()
    weights["head.weight"] *= scale
    weights["head.bias"] -= logits.mean() * scale
    return weights


def _logits(weights: dict[str, Array], wide: Array, deep: Array) -> Array:
    hidden = np.maximum(deep @ weights["deep_1.weight"].T + weights["deep_1.bias"], 0)
    hidden = np.maximum(hidden @ weights["deep_2.weight"] + weights["deep_2.bias"], 0)
    features = np.concatenate([wide, hidden], axis=1)
    logits: Array = features @ weights["head.weight"].T + weights["head.bias"]
    return logits


def main(argv: Sequence[str] | None = None) -> None:
    """Write a Wide & Deep model with random weights."""
    parser = argparse.ArgumentParser(prog="python -m examples.mlp_onnx", description=main.__doc__)
    parser.add_argument("path", type=Path, metavar="OUT.onnx")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default: 0)")
    args = parser.parse_args(argv)
    export_wide_deep(args.path, seed=args.seed)
    print(f"{args.path}: {args.path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
