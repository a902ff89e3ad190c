"""Batched products: one matrix of the batch is packed, then swept by register tiles.

A tile keeps ``rows * panels`` accumulators in registers while K runs. Packing may cost more than it
saves. A right side that is not transposed is read as it lies then, in tiles that need divide
nothing: the kernel is written out (`tuner.kernels.rows`). A transposed one gives sums along K, one
for each product of two rows.
"""

from __future__ import annotations

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.kernels import annotate
from tuner.templates.base import Config, ConfigSpace, Knob, Template, divisors
from tuner.templates.blocks import VECTOR, name_of, tile_block
from tuner.templates.elementwise import schedule_rest
from tuner.templates.tiles import cycles
from tuner.workloads.facts import Facts

#: Largest tile, and tiles that fill the registers whatever the size.
_MAX_ROWS, _MAX_PANELS = 16, 8
_FULL_ROWS, _FULL_PANELS = (4, 5, 6, 7, 8, 10, 12, 14), (2, 3, 4)
#: How the right side is brought into panels; or the kernel is written out and needs none.
_NOT, _BY_ROWS, _BY_COLUMNS, _WRITTEN_OUT = 0, 1, 2, 3
#: Asks TVM to peel the last tile off a loop.
_PARTITION = "pragma_loop_partition_hint"
#: Rows up to which bringing a transposed side into panels takes longer than tiles save.
_FEW_FOR_PACKING = 32
#: Tiles that take more cycles than this times the fewest cannot win.
_SLOWEST = 2.0


class BatchedMatmulTemplate(Template):
    """`tuner.ops.batched_matmul`; the packed side of one matrix stays in the L1 cache."""

    name = "batched_matmul"

    def matches(self, facts: Facts) -> bool:
        """True for functions around one ``batched_matmul`` block."""
        return "batched_matmul" in facts.extents

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Tiles that fit the registers, and how a matrix is packed."""
        _, rows, width, depth = facts.extents["batched_matmul"]
        panels, per_panel = width // VECTOR, VECTOR // simd.lanes
        highest = (simd.registers - 1) // per_panel - 1
        full = {r for r in _FULL_ROWS if r < rows}
        even = set(divisors(rows, min(highest, _MAX_ROWS)))
        if max(even) < _FULL_ROWS[0]:
            # Schedules guard tiles that do not divide the rows, which costs a third.
            even |= full
        all_rows, transposed = even | full, "pack" not in facts.extents
        all_panels = {*divisors(panels, _MAX_PANELS), *(p for p in _FULL_PANELS if p < panels)}
        taken = {
            (r, p): cycles(rows, panels, r, p, per_panel)
            for r in all_rows
            for p in all_panels
            # Accumulators, one row of the panels, one broadcast element.
            if per_panel * p * (r + 1) + 1 <= simd.registers
        }
        fastest = min(taken.values())
        direct = _lies_in_panels(facts)

        def allowed(c: Config) -> bool:
            tile = (c["rows"], c["panels"])
            if tile not in taken:
                return False
            if c["pack"] == _WRITTEN_OUT and transposed:
                # Products are summed up along K: there are no tiles.
                return c["rows"] == c["unroll"] == c["panels"] == 1
            if taken[tile] > _SLOWEST * fastest:
                return False
            if c["pack"] == _WRITTEN_OUT:
                return c["unroll"] == 1
            if c["rows"] not in even:
                return False
            return direct or c["pack"] != _NOT

        return ConfigSpace(
            (
                Knob("rows", tuple(sorted(all_rows)), "rows of the register tile"),
                Knob("panels", tuple(sorted(all_panels)), "panels of 16 columns in the tile"),
                Knob("unroll", divisors(depth, 8), "steps of K unrolled"),
                Knob(
                    "pack",
                    (_BY_ROWS, _BY_COLUMNS, _NOT, _WRITTEN_OUT),
                    "1: by rows; 2: by columns; 0: not; 3: not, and written out",
                ),
            ),
            allowed,
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """The tile that takes the fewest cycles; unpacked where packing takes longer."""
        _, rows, width, _ = facts.extents["batched_matmul"]
        per_panel = VECTOR // simd.lanes
        few = rows <= _FULL_ROWS[0] and _lies_in_panels(facts)
        padded = "batched_matmul_unpad" in facts.extents
        written = padded if "pack" in facts.extents else rows <= _FEW_FOR_PACKING
        return min(
            self.space(facts, simd).configs,
            key=lambda c: (
                (c["pack"] == _WRITTEN_OUT) != written,
                cycles(rows, width // VECTOR, c["rows"], c["panels"], per_panel),
                -c["rows"] * c["panels"],
                abs(c["unroll"] - 2),
                c["pack"] != (_NOT if few else _BY_ROWS),
                c["pack"],
            ),
        )

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Schedule a batched product."""
        if config["pack"] == _WRITTEN_OUT:
            tile = {"lanes": VECTOR, "rows": config["rows"], "unroll": config["panels"]}
            annotate(sch, sch.get_sblock("batched_matmul"), tile)
            return
        _, rows, width, _ = facts.extents["batched_matmul"]
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
        uneven_rows = rows % config["rows"]
        for loop, uneven in (
            (row_out, uneven_rows),
            (col_out, width // VECTOR % config["panels"]),
        ):
            if uneven:
                sch.annotate(loop, _PARTITION, True)
        sch.reorder(batch, col_out, row_out, row_in, panel, lane)
        sch.compute_at(anchor, row_out, preserve_unit_loops=True)
        pack = sch.get_sblock("pack" if "pack" in facts.extents else "pack_transposed")
        if config["pack"] == _NOT:
            sch.compute_inline(pack)
        else:
            sch.compute_at(pack, batch, preserve_unit_loops=True)
            depth, across = sch.get_loops(pack)[-2:]
            if config["pack"] == _BY_COLUMNS:
                sch.reorder(across, depth)
        sch.unroll(row_in)
        sch.unroll(panel)
        sch.vectorize(lane)
        self._reduction(sch, config)
        schedule_rest(sch, rest)

    def _reduction(self, sch: Schedule, config: Config) -> None:
        anchor = sch.get_sblock("batched_matmul")
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


def _lies_in_panels(facts: Facts) -> bool:
    """True if the right side can be read as it lies: not transposed, and in whole panels."""
    return "pack" in facts.extents and "batched_matmul_unpad" not in facts.extents
