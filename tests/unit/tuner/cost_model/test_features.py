"""What the cost model sees of a configuration."""

from __future__ import annotations

import numpy as np
import pytest

from db.testing.builders import ARCH, OTHER_ARCH
from tests.unit.tuner.strategy.workloads import dense_facts
from tuner.arch import simd_of
from tuner.cost_model import config_features
from tuner.templates import Config

WIDE, NARROW = simd_of(ARCH), simd_of(OTHER_ARCH)


def row(config: Config, *, batch: int = 64, wide: bool = True) -> dict[str, float]:
    table = config_features(dense_facts(batch), WIDE if wide else NARROW, [config])
    return dict(zip(table.columns, table.values[0].tolist(), strict=True))


CONFIG = {"rows": 8, "panels": 2, "unroll": 4, "columns_outer": 1, "k_block": 0}


def test_knobs_are_seen_beside_the_axes() -> None:
    seen = row(CONFIG)
    assert seen["knob.rows"] == pytest.approx(np.log2(9))
    assert seen["steps.rows.0"] == 3.0
    assert seen["waste.rows.0"] == 1.0
    assert row(CONFIG, batch=60)["waste.rows.0"] == pytest.approx(64 / 60)


def test_a_tile_is_seen_as_the_registers_it_takes() -> None:
    wide, narrow = row(CONFIG), row(CONFIG, wide=False)
    assert (wide["tile.accumulators"], narrow["tile.accumulators"]) == (16, 32)
    assert wide["tile.registers"] == pytest.approx((2 * 9 + 1) / WIDE.registers)


def test_cycles_count_what_waits_and_what_is_left_over() -> None:
    # Sixteen accumulators hide the latency of an FMA, one does not.
    assert row(CONFIG)["tile.cycles"] == pytest.approx(0.0)
    alone = row({**CONFIG, "rows": 1, "panels": 1})
    assert alone["tile.cycles"] == pytest.approx(3.0)
    # Of 60 rows the last tile has four: eight accumulators, just enough.
    assert row(CONFIG, batch=60)["tile.cycles"] == pytest.approx(0.0)
    assert row(CONFIG, batch=57)["tile.cycles"] > 0.0


def test_configurations_of_other_templates_have_other_columns() -> None:
    table = config_features(dense_facts(), WIDE, [{"vector": 8}, {"vector": 16}])
    assert "knob.vector" in table.columns
    assert not any(c.startswith("tile.") for c in table.columns)
    assert len(config_features(dense_facts(), WIDE, [])) == 0
