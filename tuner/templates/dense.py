"""Dense layers on packed panels: a register tile of ``rows x panels``, K innermost but for it.

One tile keeps ``rows * panels`` accumulators in registers while K runs; each step of K loads
`panels` vectors of weights in order and broadcasts `rows` activations. Bias and activation are
applied to the finished tile. With ``k_block``, K is cut so that the panels of one cut stay in the
L1 cache while all rows pass over them.

No tile has a guarded end: guards on lanes turn vectors into scalars, and guards on rows stay
inside the loop over K. Tiles divide the batch and the panels. Where N leaves the last panel
partly empty, whole panels go to a buffer, and the epilogue reads the columns that count.
"""

from __future__ import annotations

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.templates.base import Config, ConfigSpace, Knob, Template, divisors
from tuner.templates.blocks import VECTOR, name_of, tile_block
from tuner.templates.elementwise import schedule_rest
from tuner.workloads.facts import Facts

#: Largest tile: more rows than this leave no register for a panel.
_MAX_ROWS, _MAX_PANELS = 28, 8
_K_BLOCKS = (0, 64, 128, 256)
#: Tiles that load more than twice as often as the best one cannot win.
_LEAST_REUSE = 0.5


class DenseTemplate(Template):
    """See the module's text."""

    name = "dense"

    def matches(self, blocks: list[str]) -> bool:
        """True for functions around one ``dense`` block."""
        return "dense" in blocks

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Tiles that fit the registers, for the loop orders and cuts of K that can matter."""
        batch, padded, depth = facts.extents["dense"]
        panels = padded // VECTOR
        per_panel = VECTOR // simd.lanes

        tiles = [
            (rows, columns)
            for rows in divisors(batch, _MAX_ROWS)
            for columns in divisors(panels, _MAX_PANELS)
            if per_panel * columns * (rows + 1) + 1 <= simd.registers
        ]
        densest = max(_reuse(rows, columns) for rows, columns in tiles)

        def allowed(c: Config) -> bool:
            tile = (c["rows"], c["panels"])
            if tile not in tiles or _reuse(*tile) < _LEAST_REUSE * densest:
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
                Knob("rows", divisors(batch, _MAX_ROWS), "rows of the register tile"),
                Knob("panels", divisors(panels, _MAX_PANELS), "panels of 16 columns in the tile"),
                Knob("unroll", _unrolls(depth), "steps of K unrolled"),
                Knob("columns_outer", (1, 0) if batch > 1 else (1,), "1: weights stay in cache"),
                Knob("k_block", _K_BLOCKS if batch > 8 else (0,), "K cut to this; 0: not cut"),
            ),
            allowed,
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """The fullest square-ish tile: enough accumulators to hide the latency of an FMA."""
        space = self.space(facts, simd)

        def rank(c: Config) -> tuple[float, ...]:
            tile = c["rows"] * c["panels"]
            loads = (c["rows"] + c["panels"]) / tile
            return (c["k_block"], 1 - c["columns_outer"], tile < 8, loads, -c["unroll"])

        return min(space.configs, key=rank)

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Schedule a dense function."""
        anchor = sch.get_sblock("dense")
        tile, rest = tile_block(sch, anchor, 2)
        rows, panels = config["rows"], config["panels"]
        columns_outer = config["columns_outer"] or config["k_block"]
        if "dense_unpad" in facts.extents:
            rest.insert(0, name_of(sch, tile))
            row_out, _ = sch.split(sch.get_loops(tile)[0], [None, rows])
            tile = sch.cache_write(anchor, 0, "global")
            if not columns_outer:
                sch.compute_at(tile, row_out, preserve_unit_loops=True)
        row, column = sch.get_loops(tile)[-2:]
        row_out, row_in = sch.split(row, [None, rows])
        col_out, panel, lane = sch.split(column, [None, panels, VECTOR])
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
        self._reduction(sch, config)
        schedule_rest(sch, rest)

    def _reduction(self, sch: Schedule, config: Config) -> None:
        anchor = sch.get_sblock("dense")
        row, column, depth = sch.get_loops(anchor)[-3:]
        panel, lane = sch.split(column, [config["panels"], VECTOR])
        if config["k_block"]:
            row_out, row = sch.split(row, [None, config["rows"]])
            k_out, k_mid, k_in = sch.split(
                depth, [None, config["k_block"] // config["unroll"], config["unroll"]]
            )
            sch.reorder(k_out, row_out, k_mid, k_in, row, panel, lane)
        else:
            k_out, k_in = sch.split(depth, [None, config["unroll"]])
            sch.reorder(k_out, k_in, row, panel, lane)
        for loop in (k_in, row, panel):
            sch.unroll(loop)
        sch.vectorize(lane)
        init = sch.decompose_reduction(anchor, k_out)
        loops = sch.get_loops(init)
        sch.vectorize(loops[-1])
        sch.unroll(loops[-2])
        if not config["k_block"]:
            sch.unroll(loops[-3])


def _reuse(rows: int, panels: int) -> float:
    """Multiplications per load: what a tile asks of the load ports."""
    return rows * panels / (rows + panels)


def _unrolls(depth: int) -> tuple[int, ...]:
    steps = divisors(depth, 8)
    return steps if depth > 16 or depth in steps else (*steps, depth)
