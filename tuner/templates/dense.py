"""Dense layers on packed panels: a register tile of ``rows x panels``, K innermost but for it.

One tile keeps ``rows * panels`` accumulators in registers while K runs; each step of K loads
`panels` vectors of weights in order and broadcasts `rows` activations. Bias and activation are
applied to the finished tile. With ``k_block``, K is cut so that the panels of one cut stay in the
L1 cache while all rows pass over them. Weights that no cache of a core holds are prefetched: one
stream per panel is more than hardware prefetchers keep up with.

A tile need divide neither the batch nor the panels: TVM is asked to peel the last one off, so that
the others run without guards. Lanes are never guarded: that would turn vectors into scalars. Where
N leaves the last panel partly empty, whole panels go to a buffer, and the epilogue reads the
columns that count.
"""

from __future__ import annotations

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.kernels import Stream
from tuner.templates.base import Config, ConfigSpace, Knob, Template
from tuner.templates.blocks import VECTOR, name_of, tile_block
from tuner.templates.elementwise import schedule_rest
from tuner.templates.tiles import cycles, registers, reuse, tile_panels, tile_rows, unrolls
from tuner.workloads.facts import Facts

_K_BLOCKS = (0, 128, 256)
#: Steps of K by which weights are prefetched into the first cache level.
_AHEAD, _L1 = (0, 8), 3
#: Bytes of weights from which on that can help, and panels whose addresses registers can hold.
_LARGE, _FEW_PANELS = 1 << 19, 3
#: Steps of K that an untuned tile unrolls, if K has such divisors: more take LLVM twice as long and
#: came out no faster; 13 unrolled whole, half as fast.
_FEWEST_STEPS, _MOST_STEPS = 2, 5
#: Asks TVM to peel the last tile off a loop, so that the others need no guard.
_PARTITION = "pragma_loop_partition_hint"
#: Tiles that take more cycles than this times the fewest cannot win.
_SLOWEST = 2.0
#: Tiles that multiply less than this part of the best one's per load cannot win.
_LEAST_REUSE = 0.7


class DenseTemplate(Template):
    """See the module's text."""

    name = "dense"

    def matches(self, facts: Facts) -> bool:
        """True for functions around one ``dense`` block."""
        return "dense" in facts.extents

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Tiles that fit the registers, for the loop orders and cuts of K that can matter."""
        batch, padded, depth = facts.extents["dense"]
        panels = padded // VECTOR
        per_panel = VECTOR // simd.lanes
        rows_of_tiles, panels_of_tiles = tile_rows(batch), tile_panels(panels)

        tiles = {
            (rows, columns): reuse(rows, per_panel * columns)
            for rows in rows_of_tiles
            for columns in panels_of_tiles
            if registers(rows, per_panel * columns) <= simd.registers
        }
        densest = max(tiles.values())
        fastest = min(cycles(batch, panels, *tile, per_panel) for tile in tiles)

        def allowed(c: Config) -> bool:
            tile = (c["rows"], c["panels"])
            if tiles.get(tile, 0.0) < _LEAST_REUSE * densest:
                return False
            if cycles(batch, panels, *tile, per_panel) > _SLOWEST * fastest:
                return False
            # Rows done one tile after the other are buffered with the columns that count only.
            uneven = batch % c["rows"] or panels % c["panels"] or "dense_unpad" in facts.extents
            if c["columns_outer"] == 0 and uneven:
                return False
            if c["ahead"] and c["panels"] > _FEW_PANELS:
                return False
            if c["k_block"]:
                # Cutting K pays only where the same panels are read for several row tiles.
                if batch <= c["rows"] or c["k_block"] >= depth or depth % c["k_block"]:
                    return False
                if c["columns_outer"] == 0 or c["k_block"] % c["unroll"]:
                    return False
            return bool(depth % c["unroll"] == 0)

        return ConfigSpace(
            (
                Knob("rows", rows_of_tiles, "rows of the register tile"),
                Knob("panels", panels_of_tiles, "panels of 16 columns in the tile"),
                Knob("unroll", unrolls(depth), "steps of K unrolled"),
                Knob("columns_outer", (1, 0) if batch > 1 else (1,), "1: weights stay in cache"),
                Knob("k_block", _K_BLOCKS if batch > 8 else (0,), "K cut to this; 0: not cut"),
                Knob(
                    "ahead",
                    _AHEAD if 4 * padded * depth >= _LARGE else (0,),
                    "steps of K by which weights are prefetched; 0: not at all",
                ),
            ),
            allowed,
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """The tile that takes the fewest cycles, and of those the one that loads least."""
        batch, padded, _ = facts.extents["dense"]
        space = self.space(facts, simd)
        per_panel = VECTOR // simd.lanes

        def rank(c: Config) -> tuple[float, ...]:
            tile = (c["rows"], c["panels"])
            busy = cycles(batch, padded // VECTOR, *tile, per_panel)
            loads = -reuse(c["rows"], per_panel * c["panels"])
            steps = c["unroll"]
            unrolled = (steps > _MOST_STEPS, steps < _FEWEST_STEPS, steps)
            return (c["k_block"], c["ahead"], 1 - c["columns_outer"], busy, loads, *unrolled)

        return min(space.configs, key=rank)

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Schedule a dense function."""
        anchor = sch.get_sblock("dense")
        tile, rest = tile_block(sch, anchor, 2)
        rows, panels = config["rows"], config["panels"]
        columns_outer = config["columns_outer"] or config["k_block"]
        if "dense_unpad" in facts.extents:
            rest.insert(0, name_of(sch, tile))
            tile = sch.cache_write(anchor, 0, "global")
        row, column = sch.get_loops(tile)[-2:]
        row_out, row_in = sch.split(row, [None, rows])
        col_out, panel, lane = sch.split(column, [None, panels, VECTOR])
        batch, padded, _ = facts.extents["dense"]
        for loop, guarded in ((row_out, batch % rows), (col_out, padded // VECTOR % panels)):
            if guarded:
                sch.annotate(loop, _PARTITION, True)
        if columns_outer:
            sch.reorder(col_out, row_out, row_in, panel, lane)
            at = col_out if config["k_block"] else row_out
        else:
            sch.reorder(row_out, col_out, row_in, panel, lane)
            at = col_out
        sch.compute_at(anchor, at, preserve_unit_loops=True)
        sch.unroll(row_in)
        sch.unroll(panel)
        sch.vectorize(lane)
        self._reduction(sch, config, uneven_rows=bool(batch % rows))
        schedule_rest(sch, rest)

    def _reduction(self, sch: Schedule, config: Config, *, uneven_rows: bool) -> None:
        anchor = sch.get_sblock("dense")
        row, column, depth = sch.get_loops(anchor)[-3:]
        panel, lane = sch.split(column, [config["panels"], VECTOR])
        if config["k_block"]:
            row_out, row = sch.split(row, [None, config["rows"]])
            if uneven_rows:
                sch.annotate(row_out, _PARTITION, True)
            k_out, k_mid, k_in = sch.split(
                depth, [None, config["k_block"] // config["unroll"], config["unroll"]]
            )
            sch.reorder(k_out, row_out, k_mid, k_in, row, panel, lane)
        else:
            k_out, k_in = sch.split(depth, [None, config["unroll"]])
            sch.reorder(k_out, k_in, row, panel, lane)
        if config["ahead"]:
            steps = k_mid if config["k_block"] else k_out
            Stream(ahead=config["ahead"], level=_L1).annotate(sch, steps)
        for loop in (k_in, row, panel):
            sch.unroll(loop)
        sch.vectorize(lane)
        init = sch.decompose_reduction(anchor, k_out)
        loops = sch.get_loops(init)
        sch.vectorize(loops[-1])
        sch.unroll(loops[-2])
        if not config["k_block"]:
            sch.unroll(loops[-3])
