"""Dense layers on packed panels: a register tile of ``rows x panels``, K innermost but for it.

One tile keeps ``rows * panels`` accumulators in registers while K runs; each step of K loads
`panels` vectors of weights in order and broadcasts `rows` activations. Bias and activation are
applied to the finished tile. With ``k_block``, K is cut so that the panels of one cut stay in the
L1 cache while all rows pass over them.
"""

from __future__ import annotations

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.templates.base import Config, ConfigSpace, Knob, Template, divisors
from tuner.templates.blocks import VECTOR, tile_block
from tuner.templates.elementwise import schedule_rest
from tuner.workloads.facts import Facts

_ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)
_PANELS = (1, 2, 3, 4, 5, 6, 8)
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
            for rows in _tiles(batch, _ROWS)
            for columns in _tiles(panels, _PANELS)
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
                Knob("rows", _tiles(batch, _ROWS), "rows of the register tile"),
                Knob("panels", _tiles(panels, _PANELS), "panels of 16 columns in the tile"),
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
        row, column = sch.get_loops(tile)
        row_out, row_in = sch.split(row, [None, rows])
        col_out, panel, lane = sch.split(column, [None, panels, VECTOR])
        blocked = config["k_block"]
        if blocked:
            sch.reorder(col_out, row_out, row_in, panel, lane)
            sch.compute_at(anchor, col_out, preserve_unit_loops=True)
        elif config["columns_outer"]:
            sch.reorder(col_out, row_out, row_in, panel, lane)
            sch.compute_at(anchor, row_out, preserve_unit_loops=True)
        else:
            sch.reorder(row_out, col_out, row_in, panel, lane)
            sch.compute_at(anchor, col_out, preserve_unit_loops=True)
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


def _tiles(extent: int, known: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes that divide `extent`; if it has too few of them, others too, with a guarded end."""
    exact = tuple(t for t in known if extent % t == 0)
    if extent in known or max(exact) >= 4:
        return exact
    return tuple(t for t in known if t <= extent)


def _unrolls(depth: int) -> tuple[int, ...]:
    steps = divisors(depth, 8)
    return steps if depth > 16 or depth in steps else (*steps, depth)
