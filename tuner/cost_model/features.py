"""What a cost model sees of a template's configuration, before anything is scheduled.

Sizes enter as logarithms, because what counts are ratios. A knob is seen beside each axis of the
workload: how many steps of it the axis takes, and how much of the last one is wasted. So a model
that learned from other shapes finds its way in a new one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tuner.arch import Simd
from tuner.cost_model.table import Table
from tuner.templates import Config
from tuner.templates.blocks import VECTOR
from tuner.templates.tiles import PORTS, cycles
from tuner.workloads.facts import Facts

#: Axes of the block that a workload is named for; more are left out.
_AXES = 4
_FLOAT_BYTES = 4


def config_features(facts: Facts, simd: Simd, configs: Sequence[Config]) -> Table:
    """Features of configurations of one workload.

    Returns
    -------
    One row per configuration.
    """
    axes = _axes(facts)
    workload = _workload(facts, simd, axes)
    rows = [{**workload, **_knobs(c, axes), **_tile(c, axes, simd)} for c in configs]
    return Table.of(rows)


def _axes(facts: Facts) -> tuple[int, ...]:
    """Axes of the block that does the work: the one named as the kind, else the largest."""
    named = facts.extents.get(facts.op_kind)
    return named or max(facts.extents.values(), key=math.prod, default=())


def _workload(facts: Facts, simd: Simd, axes: Sequence[int]) -> dict[str, float]:
    row = {f"axis{i}": math.log2(max(1, a)) for i, a in enumerate(axes[:_AXES])}
    row["flops"] = math.log2(1.0 + facts.flops)
    row["bytes"] = math.log2(1.0 + facts.bytes)
    row["intensity"] = facts.flops / max(1.0, facts.bytes)
    row["blocks"] = len(facts.extents)
    row["lanes"], row["registers"] = simd.lanes, simd.registers
    return row


def _knobs(config: Mapping[str, int], axes: Sequence[int]) -> dict[str, float]:
    row = {}
    for name, value in config.items():
        row[f"knob.{name}"] = math.log2(1 + abs(value))
        for i, axis in enumerate(axes[:_AXES]):
            steps = math.ceil(axis / value) if value > 0 else 1
            row[f"steps.{name}.{i}"] = math.log2(max(1, steps))
            row[f"waste.{name}.{i}"] = steps * value / max(1, axis) if value > 0 else 0.0
    return row


def _tile(config: Mapping[str, int], axes: Sequence[int], simd: Simd) -> dict[str, float]:
    """Registers and caches that a tile of ``rows x panels`` takes; nothing for other templates."""
    if not {"rows", "panels"} <= config.keys() or not axes:
        return {}
    rows, panels, unroll = config["rows"], config["panels"], config.get("unroll", 1)
    vectors = panels * max(1, VECTOR // simd.lanes)
    depth = config.get("k_block") or axes[-1]
    return {
        "tile.cycles": math.log2(_busy(axes, rows, panels, max(1, VECTOR // simd.lanes))),
        "tile.accumulators": rows * vectors,
        "tile.registers": (vectors * (rows + 1) + 1) / simd.registers,
        "tile.reuse": rows * vectors / (rows + vectors),
        "tile.unrolled": math.log2(1 + rows * vectors * unroll),
        "tile.panel_bytes": math.log2(1 + panels * VECTOR * depth * _FLOAT_BYTES),
        "tile.row_bytes": math.log2(1 + rows * depth * _FLOAT_BYTES),
    }


def _busy(axes: Sequence[int], rows: int, panels: int, per_panel: int) -> float:
    """Cycles that all tiles take for a step of K, over those of FMAs that never wait."""
    height, width = (axes[-3], -(-axes[-2] // VECTOR)) if len(axes) >= 3 else (rows, panels)
    return cycles(height, width, rows, panels, per_panel) * PORTS / (height * width * per_panel)
