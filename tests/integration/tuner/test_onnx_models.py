"""ONNX models go from the file to the scores of ONNX Runtime, and bad ones end in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from examples.mlp_onnx import SMALL, export_wide_deep, random_inputs
from tests.helpers import Array, CompiledBucket, compile_bucket, onnx_scores
from tests.onnx_text import HEADER, write_onnx
from tuner.errors import ModelError, UnsupportedOperator
from tuner.graph.prepare import prepare
from tuner.importers import import_model, read_weights
from tuner.importers.onnx_graph import onnx_weights

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def check(
    path: Path, make_inputs: Callable[[int], Sequence[Array]], batches: Sequence[int] = (3,)
) -> CompiledBucket:
    """Hold a model against ONNX Runtime; returns its last bucket."""
    prepared = prepare(import_model(path))
    for batch in batches:
        bucket = compile_bucket(prepared, batch)
        inputs = make_inputs(batch)
        for have, want in zip(bucket(inputs), onnx_scores(path, inputs), strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)
    return bucket


@pytest.fixture(scope="module")
def wide_deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_wide_deep(path)
    return path


def test_example(wide_deep: Path) -> None:
    bucket = check(wide_deep, lambda batch: random_inputs(SMALL, batch), (1, 3, 16, 17))
    assert bucket.kinds == ["dense", "dense", "concat", "dense_narrow"]


def test_names_shapes_and_weights_are_those_of_the_file(wide_deep: Path) -> None:
    model = import_model(wide_deep)
    assert [str(spec) for spec in model.inputs] == [
        "wide: float32[batch, 32]",
        "deep: float32[batch, 64]",
    ]
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(wide_deep).graph.initializer}
    weights = onnx_weights(wide_deep)
    assert stored.keys() == weights.keys() == model.params.keys()
    assert all(np.array_equal(stored[name], weights[name]) for name in stored)
    assert model.notes["exporter"] == "tunefleet"


def test_weights_are_refreshed_without_their_graph(wide_deep: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    export_wide_deep(other, seed=5)
    model = import_model(wide_deep)
    weights, fingerprint = read_weights(other)
    assert fingerprint == model.digest
    bucket = compile_bucket(prepare(model), 3)
    inputs = random_inputs(SMALL, 3)
    np.testing.assert_allclose(
        bucket(inputs, weights)[0], onnx_scores(other, inputs)[0], rtol=1e-4, atol=1e-5
    )


def test_another_graph_has_another_fingerprint(wide_deep: Path, tmp_path: Path) -> None:
    model = onnx.load(wide_deep)
    model.graph.node[-1].op_type = "Tanh"
    onnx.save(model, tmp_path / "tanh.onnx")
    assert read_weights(tmp_path / "tanh.onnx")[1] != read_weights(wide_deep)[1]


GEMM = """
g (float[N, 24] x) => (float[N, M] y) {{
    y = Gemm <{attributes}> (x, w{bias})
}}
"""


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("attributes", "transposed"),
    [
        ("transB = 1", True),
        ("transB = 0", False),
        ("transB = 1, alpha = 0.5, beta = 2.0", True),
        ("alpha = 3.0", False),
    ],
)
@pytest.mark.parametrize("n", [32, 3])
def test_gemm(tmp_path: Path, n: int, attributes: str, transposed: bool, bias: bool) -> None:
    weights = {"w": normal(n, 24) if transposed else normal(24, n), "b": normal(n)}
    text = GEMM.format(attributes=attributes, bias=", b" if bias else "").replace("M", str(n))
    if not bias:
        del weights["b"]
    bucket = check(write_onnx(tmp_path / "m.onnx", text, weights), lambda b: [normal(b, 24)])
    assert ("dense" if n == 32 else "dense_narrow") in bucket.kinds


def test_matmul_and_add_are_one_kernel(tmp_path: Path) -> None:
    text = """
    g (float[N, 24] x) => (float[N, 32] y) {
        m = MatMul(x, w)
        a = Add(b, m)
        y = Relu(a)
    }
    """
    path = write_onnx(tmp_path / "m.onnx", text, {"w": normal(24, 32), "b": normal(32)})
    assert check(path, lambda b: [normal(b, 24)], (1, 16)).kinds == ["dense"]


def test_gathered_rows_become_bags_in_a_concatenation(tmp_path: Path) -> None:
    text = """
    g (int64[N, 3] many, int64[N] one, float[N, 5] x) => (float[N, 37] y) {
        rows = Gather <axis = 0> (first, many)
        bag = ReduceSum <keepdims = 0> (rows, axes)
        row = Gather(second, one)
        y = Concat <axis = 1> (bag, row, x)
    }
    """
    weights = {"first": normal(20, 16), "second": normal(9, 16), "axes": np.array([1])}
    path = write_onnx(tmp_path / "m.onnx", text, weights)

    def make(batch: int) -> list[Array]:
        return [RNG.integers(0, 20, (batch, 3)), RNG.integers(0, 9, batch), normal(batch, 5)]

    assert check(path, make, (1, 3, 17)).kinds == ["embedding_bag"]
    limits = {limit.input: limit.rows.tolist() for limit in import_model(path).index_limits}
    assert limits == {"many": [[20, 20, 20]], "one": [9]}


def test_indices_carried_as_floats(tmp_path: Path) -> None:
    text = """
    g (float[N, 4] x) => (float[N, 16] y) {
        column = Gather <axis = 1> (x, zero)
        index = Cast <to = 7> (column)
        y = Gather(table, index)
    }
    """
    path = write_onnx(tmp_path / "m.onnx", text, {"zero": np.array(0), "table": normal(9, 16)})
    check(path, lambda b: [RNG.integers(0, 9, (b, 4)).astype(np.float32)])
    (limit,) = import_model(path).index_limits
    assert limit.rows.tolist() == [[9, 0, 0, 0]]


def test_shapes_computed_from_the_batch(tmp_path: Path) -> None:
    text = """
    g (float[N, 6, 4] x) => (float[N, 24] y) {
        shape = Shape(x)
        batch = Gather <axis = 0> (shape, zero)
        wrapped = Unsqueeze(batch, zeros)
        target = Concat <axis = 0> (wrapped, rest)
        y = Reshape(x, target)
    }
    """
    weights = {"zero": np.array(0), "zeros": np.array([0]), "rest": np.array([-1])}
    check(write_onnx(tmp_path / "m.onnx", text, weights), lambda b: [normal(b, 6, 4)])


def test_other_operators(tmp_path: Path) -> None:
    text = """
    g (float[N, 16] x) => (float[N, 16] y, float[N, 8] z) {
        normed = BatchNormalization <epsilon = 0.001> (x, scale, shift, mean, var)
        layered = LayerNormalization <axis = -1> (normed, scale, shift)
        clipped = Clip(layered, low, high)
        y = Softmax <axis = -1> (clipped)
        left, right = Split <axis = 1> (x, halves)
        product = Mul(left, right)
        flat = Flatten(product)
        z = Slice(flat, from, to, axes)
    }
    """
    weights = {
        "scale": normal(16),
        "shift": normal(16),
        "mean": normal(16),
        "var": np.abs(normal(16)) + 0.5,
        "low": np.array(-1, np.float32),
        "high": np.array(1, np.float32),
        "halves": np.array([8, 8]),
        "from": np.array([0]),
        "to": np.array([8]),
        "axes": np.array([1]),
    }
    path = write_onnx(tmp_path / "m.onnx", text, weights)
    check(path, lambda b: [normal(b, 16)], (1, 3))
    assert import_model(path).params.keys() == {"scale", "shift", "mean", "var"}


@pytest.mark.parametrize("dimension", ["batch-size", "2", "N"])
def test_names_of_the_batch(tmp_path: Path, dimension: str) -> None:
    text = "g (float[N, 4] x, float[N, 4] w) => (float[N, 4] y) { y = Add(x, w) }"
    model = onnx.parser.parse_model(HEADER + text)
    for value in (*model.graph.input, *model.graph.output):
        dim = value.type.tensor_type.shape.dim[0]
        if dimension.isdigit():
            dim.dim_value = int(dimension)
        else:
            dim.dim_param = dimension
    onnx.save(model, tmp_path / "m.onnx")
    imported = import_model(tmp_path / "m.onnx")
    assert [spec.shape for spec in imported.inputs] == [("batch", 4), ("batch", 4)]
    assert imported.fixed_batch == (2 if dimension == "2" else None)


def test_nameless_dimensions(tmp_path: Path) -> None:
    text = "g (float[N, 4] x, float[N, 4] w) => (float[N, 4] y) { y = Add(x, w) }"
    model = onnx.parser.parse_model(HEADER + text)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].ClearField("dim_param")
    onnx.save(model, tmp_path / "m.onnx")
    assert all(spec.batched for spec in import_model(tmp_path / "m.onnx").inputs)


def test_initializers_may_be_declared_as_inputs(tmp_path: Path) -> None:
    text = "g (float[N, 4] x, float[4] w) => (float[N, 4] y) { y = Add(x, w) }"
    path = write_onnx(tmp_path / "m.onnx", text, {"w": normal(4)})
    assert [spec.name for spec in import_model(path).inputs] == ["x"]
    assert list(import_model(path).params) == ["w"]


def test_names_that_are_no_identifiers(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        HEADER + "g (float[N, 4] x) => (float[N, 4] y) { y = Add(x, w) }"
    )
    model.graph.input[0].name = model.graph.node[0].input[0] = "model/input:0"
    model.graph.node[0].input[1] = "onnx::Add_7"
    model.graph.initializer.append(onnx.numpy_helper.from_array(normal(4), "onnx::Add_7"))
    onnx.save(model, tmp_path / "m.onnx")
    imported = import_model(tmp_path / "m.onnx")
    assert imported.inputs[0].name == "model/input:0"
    assert list(imported.params) == ["onnx::Add_7"]
    check(tmp_path / "m.onnx", lambda b: [normal(b, 4)])


REFUSED = {
    "an operator TVM lacks": (
        "g (float[N, 4] x) => (float[N, 4] y) { y = Det(x) }",
        UnsupportedOperator,
        "Det",
    ),
    "control flow": (
        "g (float[N, 4] x, bool[1] c) => (float[N, 4] y) { y = If (c) <"
        "then_branch = a () => (float[N, 4] p) { p = Identity(x) },"
        "else_branch = b () => (float[N, 4] q) { q = Neg(x) }> }",
        UnsupportedOperator,
        "If",
    ),
    "a computed index": (
        "g (float[N, 4] x, float[9, 4] t) => (float[N, 4, 4] y) {"
        " r = Round(x)\n s = Abs(r)\n i = Cast <to = 7> (s)\n y = Gather(w, i) }",
        ModelError,
        "computed inside the model",
    ),
    "a constant index out of range": (
        "g (float[N, 4] x) => (float[N, 4] y) { r = Gather(w, seven)\n y = Add(x, r) }",
        ModelError,
        "row 7 of w, which has 5 rows",
    ),
    "an output without a batch": (
        "g (float[N, 4] x) => (float y) { y = ReduceMean <keepdims = 0> (x) }",
        ModelError,
        "no batch dimension",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    text, kind, told = REFUSED[name]
    weights = {"w": normal(5, 4)} if "w" in text else {}
    if "seven" in text:
        weights["seven"] = np.array([7])
    path = write_onnx(tmp_path / "m.onnx", text, weights)
    with pytest.raises(kind, match=told) as caught:
        import_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    assert capfd.readouterr() == ("", "")


def test_operators_of_other_domains_are_refused(tmp_path: Path) -> None:
    header = '<ir_version: 8, opset_import: ["": 17, "my.domain": 1]>\n'
    text = "g (float[N, 4] x) => (float[N, 4] y) { y = my.domain.Relu(x) }"
    with pytest.raises(UnsupportedOperator, match=r"my\.domain::Relu"):
        import_model(write_onnx(tmp_path / "m.onnx", text, {}, header))


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    header = '<ir_version: 8, opset_import: ["": 17, "local": 1]>\n'
    text = """
    g (float[N, 4] x) => (float[N, 4] y) { y = local.twice(x) }
    <opset_import: ["": 17], domain: "local">
    twice (a) => (b) { b = Add(a, a) }
    """
    check(write_onnx(tmp_path / "m.onnx", text, {}, header), lambda b: [normal(b, 4)])


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9, 0.999])
def test_torn_files(wide_deep: Path, tmp_path: Path, part: float) -> None:
    whole = wide_deep.read_bytes()
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(whole[: int(len(whole) * part)])
    for read in (import_model, read_weights):
        with pytest.raises(ModelError, match="torn") as caught:
            read(torn)
        assert "\n" not in str(caught.value)


def test_missing_onnx(wide_deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"pip install 'tunefleet\[onnx\]'"):
        import_model(wide_deep)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        import_model(tmp_path / "none.onnx")


def test_anything_else(tmp_path: Path) -> None:
    values: list[Any] = [tmp_path, 7, tmp_path / "model.bin"]
    (tmp_path / "model.bin").write_bytes(b"model")
    for value in values:
        with pytest.raises(ModelError):
            import_model(value)
