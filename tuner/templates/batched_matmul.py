"""Batched products: one matrix of the batch is packed, then swept by register tiles."""

from __future__ import annotations

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.templates.base import Config, ConfigSpace, Knob, Template, divisors
from tuner.templates.blocks import VECTOR, name_of, tile_block
from tuner.templates.elementwise import schedule_rest
from tuner.workloads.facts import Facts


class BatchedMatmulTemplate(Template):
    """`tuner.ops.batched_matmul`; the packed side of one matrix stays in the L1 cache."""

    name = "batched_matmul"

    def matches(self, blocks: list[str]) -> bool:
        """True for functions around one ``batched_matmul`` block."""
        return "batched_matmul" in blocks

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Tiles that fit the registers, and the order in which a matrix is packed."""
        _, rows, width, depth = facts.extents["batched_matmul"]
        per_panel = VECTOR // simd.lanes
        return ConfigSpace(
            (
                Knob("rows", divisors(rows, 16), "rows of the register tile"),
                Knob("panels", divisors(width // VECTOR, 8), "panels of 16 columns in the tile"),
                Knob("unroll", divisors(depth, 8), "steps of K unrolled"),
                Knob("pack_columns", (0, 1), "1: pack column by column"),
            ),
            lambda c: per_panel * c["panels"] * (c["rows"] + 1) + 1 <= simd.registers,
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """The fullest tile."""
        return min(
            self.space(facts, simd).configs,
            key=lambda c: (
                -c["rows"] * c["panels"],
                abs(c["unroll"] - 2),
                c["pack_columns"],
            ),
        )

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Schedule a batched product."""
        anchor = sch.get_sblock("batched_matmul")
        tile, rest = tile_block(sch, anchor, 3)
        if "batched_matmul_unpad" in facts.extents:
            rest.insert(0, name_of(sch, tile))
            whole = sch.get_loops(tile)[0]
            tile = sch.cache_write(anchor, 0, "global")
            sch.compute_at(tile, whole, preserve_unit_loops=True)
        batch, row, column = sch.get_loops(tile)[-3:]
        row_out, row_in = sch.split(row, [None, config["rows"]])
        col_out, panel, lane = sch.split(column, [None, config["panels"], VECTOR])
        sch.reorder(batch, col_out, row_out, row_in, panel, lane)
        sch.compute_at(anchor, row_out, preserve_unit_loops=True)
        pack = sch.get_sblock("pack")
        sch.compute_at(pack, batch, preserve_unit_loops=True)
        depth, width = sch.get_loops(pack)[-2:]
        if config["pack_columns"]:
            sch.reorder(width, depth)
        sch.unroll(row_in)
        sch.unroll(panel)
        sch.vectorize(lane)
        row, column, depth = sch.get_loops(anchor)[-3:]
        panel, lane = sch.split(column, [config["panels"], VECTOR])
        k_out, k_in = sch.split(depth, [None, config["unroll"]])
        sch.reorder(k_out, k_in, row, panel, lane)
        for loop in (k_in, row, panel):
            sch.unroll(loop)
        sch.vectorize(lane)
        init = sch.decompose_reduction(anchor, k_out)
        loops = sch.get_loops(init)
        sch.vectorize(loops[-1])
        sch.unroll(loops[-2])
        sch.unroll(loops[-3])
        schedule_rest(sch, rest)
