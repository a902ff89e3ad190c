"""Every index that reaches a table is found at the inputs, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.helpers import Apply, export
from tests.onnx_text import write_onnx
from tuner.errors import ModelError
from tuner.importers import ImportedModel, InputSpec, import_model
from tuner.importers.index_limits import collapse

ROWS = 9


def found(model: ImportedModel) -> dict[str, list[Any]]:
    """Rows by input, for inputs that are indices."""
    return {x.input: x.rows.tolist() for x in model.index_limits if x.offsets_into is None}


def offsets(model: ImportedModel) -> dict[str, str]:
    return {x.input: x.offsets_into for x in model.index_limits if x.offsets_into is not None}


def table(**options: Any) -> nn.EmbeddingBag:
    return nn.EmbeddingBag(ROWS, 4, **{"mode": "sum", **options})


def test_bags_of_fixed_length() -> None:
    module = Apply(
        lambda m, i, j, w: (m.a(i), m.b(i), m.a(j, per_sample_weights=w)),
        a=table(),
        b=table(mode="mean"),
    )
    inputs = (torch.zeros(3, 2).long(), torch.zeros(3, 5).long(), torch.randn(3, 5))
    assert found(export(module, inputs)) == {"inputs_0": [[ROWS] * 2], "inputs_1": [[ROWS] * 5]}


@pytest.mark.parametrize("last", [False, True])
def test_bags_cut_at_offsets(last: bool) -> None:
    module = Apply(lambda m, x, i, o: m.bag(i, o) + x, bag=table(include_last_offset=last))
    batch, count = torch.export.Dim("batch", min=1), torch.export.Dim("count", min=1)
    model = export(
        module,
        (torch.randn(3, 4), torch.zeros(7).long(), torch.arange(3 + last)),
        dynamic_shapes=({0: batch}, {0: count}, {0: batch + 1 if last else batch}),
    )
    assert found(model) == {"inputs_1": [ROWS]}
    assert offsets(model) == {"inputs_2": "inputs_1"}


def test_offsets_from_inside_the_model_are_refused() -> None:
    module = Apply(lambda m, i, o: m.bag(i, torch.cumsum(o, 0)), bag=table())
    batch, count = torch.export.Dim("batch", min=1), torch.export.Dim("count", min=1)
    with pytest.raises(ModelError, match="offsets of an embedding bag are computed"):
        export(
            module,
            (torch.zeros(7).long(), torch.ones(3).long()),
            dynamic_shapes=({0: count}, {0: batch}),
        )


def test_columns_of_one_input() -> None:
    def forward(m: Any, i: Tensor, x: Tensor) -> Tensor:
        left, right = torch.split(i[:, 1:4].reshape(-1, 3), [1, 2], dim=1)
        rows = [m.a(left), m.b(right), m.b(x[:, 2].long())[:, None]]
        return torch.cat(rows, dim=1)

    module = Apply(forward, a=nn.Embedding(ROWS, 4), b=nn.Embedding(5, 4))
    model = export(module, (torch.zeros(3, 6).long(), torch.zeros(3, 4)))
    assert found(model) == {"inputs_0": [[0, ROWS, 5, 5, 0, 0]], "inputs_1": [[0, 0, 5, 0]]}


def test_slots_of_one_input() -> None:
    def forward(m: Any, i: Tensor) -> Tensor:
        return torch.cat([m.a(i[:, 0]), m.b(i.transpose(1, 2)[:, :, 1])], dim=1)

    model = export(Apply(forward, a=table(), b=nn.EmbeddingBag(5, 4, mode="sum")),
                   (torch.zeros(3, 2, 3).long(),))  # fmt: skip
    assert found(model) == {"inputs_0": [[[ROWS] * 3, [5] * 3]]}


def test_the_smallest_table_counts() -> None:
    module = Apply(lambda m, i: m.a(i) + m.b(i), a=nn.Embedding(ROWS, 4), b=nn.Embedding(5, 4))
    assert found(export(module, (torch.zeros(3).long(),))) == {"inputs_0": [5]}


def test_positions_along_other_axes() -> None:
    module = Apply(lambda _, x, i: torch.index_select(x, 1, torch.tensor([0, 2])) + i)
    assert found(export(module, (torch.randn(3, 4), torch.randn(3, 2)))) == {}


def test_remainders_stay_within_their_table() -> None:
    module = Apply(lambda m, i: m.a(i % ROWS), a=nn.Embedding(ROWS, 4))
    assert found(export(module, (torch.zeros(3).long(),))) == {}


@pytest.mark.parametrize(
    ("index", "by"),
    [
        (lambda i: i % (ROWS + 1), "floor_mod"),
        (lambda i: i + 1, "add"),
        (lambda i: torch.maximum(i, i * 2), "maximum"),
    ],
)
def test_computed_indices_are_refused(index: Any, by: str) -> None:
    module = Apply(lambda m, i: m.a(index(i)), a=nn.Embedding(ROWS, 4))
    with pytest.raises(ModelError) as caught:
        export(module, (torch.zeros(3).long(),))
    assert str(caught.value) == (
        f"ExportedProgram: the row numbers for p_a_weight ({ROWS} rows) are computed inside the "
        f"model (by {by}), so they cannot be checked; pass them as an input"
    )


def test_rows_of_the_batch_are_refused() -> None:
    module = Apply(lambda _, x, i: x[i])
    with pytest.raises(ModelError, match="rows are picked from the batch"):
        export(module, (torch.randn(3, 4), torch.zeros(3).long()))


@pytest.mark.parametrize(
    ("at", "row"), [([0, 8], None), ([9, 0], 9), ([-1, 0], None), ([-10, 0], -1)]
)
def test_constant_indices(tmp_path: Path, at: list[int], row: int | None) -> None:
    text = "g (float[N, 2, 4] x) => (float[N, 2, 4] y) { r = Gather(w, at)\n y = Add(x, r) }"
    weights = {"w": np.zeros((ROWS, 4), np.float32), "at": np.array(at)}
    path = write_onnx(tmp_path / "m.onnx", text, weights)
    if row is None:
        assert import_model(path).index_limits == ()
        return
    with pytest.raises(
        ModelError, match=f"the model itself reads row {row} of w, which has 9 rows"
    ):
        import_model(path)


def test_a_constant_scalar_out_of_range_is_refused(tmp_path: Path) -> None:
    text = "g (float[N, 4] x) => (float[N] y) { y = Gather <axis = 1> (x, at) }"
    path = write_onnx(tmp_path / "m.onnx", text, {"at": np.array(4)})
    with pytest.raises(ModelError, match="the model itself reads row 4"):
        import_model(path)


def test_other_gathers_are_refused(tmp_path: Path) -> None:
    text = """
    g (float[N, 4] x, int64[N, 4] i) => (float[N, 4] y) {
        y = GatherElements <axis = 1> (x, i)
    }
    """
    with pytest.raises(ModelError, match="cannot import gather_elements: its indices cannot"):
        import_model(write_onnx(tmp_path / "m.onnx", text, {}))


def test_limits_that_depend_on_an_open_dimension_are_refused() -> None:
    free = np.iinfo(np.int64).max
    spec = InputSpec("i", "int64", ("batch", 2))
    assert collapse("m", spec, np.array([[ROWS, free]] * 2)).tolist() == [[ROWS, 0]]
    with pytest.raises(ModelError, match="depends on its open dimension batch"):
        collapse("m", spec, np.array([[ROWS, free], [free, ROWS]]))
