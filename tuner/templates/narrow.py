"""Dense layers with few outputs: dot products along K, several rows at a time."""

from __future__ import annotations

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.templates.base import Config, ConfigSpace, Knob, Template, divisors
from tuner.templates.blocks import tile_block
from tuner.templates.elementwise import schedule_rest
from tuner.workloads.facts import Facts


class NarrowTemplate(Template):
    """`tuner.ops.dense_narrow`: one register of partial sums per row and output."""

    name = "dense_narrow"

    def matches(self, facts: Facts) -> bool:
        """True for functions around one ``dense_narrow`` block."""
        return "dense_narrow" in facts.extents

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Rows whose chains of additions run side by side, to hide their latency."""
        batch, outputs, _, steps = facts.extents["dense_narrow"]
        room = max(1, simd.registers * simd.lanes // 16 - 4)
        return ConfigSpace(
            (
                Knob("rows", divisors(batch, 16), "rows per tile"),
                Knob("unroll", divisors(steps, 8), "registers of K unrolled"),
            ),
            lambda c: c["rows"] * outputs <= room,
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """As many rows as there are chains in flight: latency 4 on two ports."""
        configs = self.space(facts, simd).configs
        return min(configs, key=lambda c: (abs(c["rows"] - 8), abs(c["unroll"] - 2)))

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Schedule a narrow dense function."""
        total = sch.get_sblock("dense_narrow_sum")
        tile, rest = tile_block(sch, total, 2)
        row, _ = sch.get_loops(tile)
        row_out, _ = sch.split(row, [None, config["rows"]])
        sch.compute_at(total, row_out, preserve_unit_loops=True)
        lanes = sch.get_sblock("dense_narrow")
        sch.compute_at(lanes, row_out, preserve_unit_loops=True)
        row_in, output, lane, step = sch.get_loops(lanes)[-4:]
        step_out, step_in = sch.split(step, [None, config["unroll"]])
        sch.reorder(step_out, step_in, row_in, output, lane)
        for loop in (step_in, row_in, output):
            sch.unroll(loop)
        sch.vectorize(lane)
        init = sch.decompose_reduction(lanes, step_out)
        sch.vectorize(sch.get_loops(init)[-1])
        sch.unroll(sch.get_loops(total)[-1])
        schedule_rest(sch, rest)
