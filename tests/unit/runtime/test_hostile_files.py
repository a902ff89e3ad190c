"""Whatever a model file holds, a refresh ends with good weights or with an error of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import Model
from tests.archives import members, rewritten
from tuner.errors import TunerError

_FIXTURE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def _refresh(model: Model, path: Path) -> None:
    inputs = model.random_inputs(8)
    before = model(*inputs)
    try:
        model.refresh(path)
    except TunerError:
        np.testing.assert_array_equal(model(*inputs), before)
    else:
        assert np.isfinite(model(*inputs)).all()


@settings(suppress_health_check=_FIXTURE, max_examples=60)
@given(data=st.data())
def test_bytes_that_changed(
    own: Model, small_dlrm: Path, tmp_path: Path, data: st.DataObject
) -> None:
    member = data.draw(st.sampled_from(members(small_dlrm)))

    def change(content: bytes) -> bytes:
        room = bytearray(content or b"\0")
        for _ in range(data.draw(st.integers(1, 4))):
            room[data.draw(st.integers(0, len(room) - 1))] = data.draw(st.integers(0, 255))
        return bytes(room[: data.draw(st.integers(0, len(room)))])

    path = tmp_path / "changed.pt2"
    path.write_bytes(rewritten(small_dlrm, member, change))
    _refresh(own, path)


@settings(suppress_health_check=_FIXTURE, max_examples=40)
@given(
    numbers=st.lists(
        st.one_of(st.integers(-(2**70), 2**70), st.integers(0, 200)), min_size=1, max_size=4
    )
)
def test_shapes_strides_and_offsets_that_lie(
    own: Model, small_dlrm: Path, tmp_path: Path, numbers: list[int]
) -> None:
    import json
    import random

    (config,) = [m for m in members(small_dlrm) if m.endswith("model_weights_config.json")]
    rng = random.Random(str(numbers))

    def change(content: bytes) -> bytes:
        tree = json.loads(content)
        entries = list(tree["config"].values())
        for number in numbers:
            meta = rng.choice(entries)["tensor_meta"]
            field = rng.choice(["sizes", "strides", "storage_offset", "dtype"])
            if field == "dtype":
                meta[field] = number
            elif field == "storage_offset":
                meta[field]["as_int"] = number
            elif meta[field]:
                rng.choice(meta[field])["as_int"] = number
        return json.dumps(tree).encode()

    path = tmp_path / "lying.pt2"
    path.write_bytes(rewritten(small_dlrm, config, change))
    _refresh(own, path)


@pytest.mark.parametrize("part", [0, 1, 4, 100, 0.5, 0.9, 0.999])
def test_a_file_that_ends_early(own: Model, small_dlrm: Path, tmp_path: Path, part: float) -> None:
    content = small_dlrm.read_bytes()
    path = tmp_path / "torn.pt2"
    path.write_bytes(content[: int(part if part >= 1 or part == 0 else part * len(content))])
    with pytest.raises(TunerError):
        own.refresh(path)
    _refresh(own, path)


def test_every_file_left_out(own: Model, small_dlrm: Path, tmp_path: Path) -> None:
    path = tmp_path / "without.pt2"
    for member in members(small_dlrm):
        path.write_bytes(rewritten(small_dlrm, member, lambda _: None))
        _refresh(own, path)
