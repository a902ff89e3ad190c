"""Embedding bags: rows are added up in registers, column vectors unrolled."""

from __future__ import annotations

from tvm.s_tir import Schedule
from tvm.s_tir.schedule import SBlockRV

from tuner.arch import Simd
from tuner.templates.base import Config, ConfigSpace, Knob, Template
from tuner.templates.blocks import block_names, extents, name_of, tile_block
from tuner.templates.elementwise import schedule_rest
from tuner.workloads.facts import Facts


class EmbeddingTemplate(Template):
    """Bags of a fixed number of rows, alone or beside others in one tensor."""

    name = "embedding_bag"

    def matches(self, blocks: list[str]) -> bool:
        """True if any block is such a bag."""
        return any(_is_bag(name) for name in blocks)

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Vector width, and how much of a bag is unrolled."""
        return ConfigSpace(
            (
                Knob("vector", (16, 8, 32, 64), "floats per vector"),
                Knob("unroll_columns", (1, 0), "1: all vectors of a row side by side"),
                Knob("unroll_rows", (1, 0), "1: no loop over the rows of a bag"),
            )
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """Whole registers; short bags without a loop."""
        hots = max(e[2] for name, e in facts.extents.items() if _is_bag(name) and len(e) == 3)
        return {"vector": 16, "unroll_columns": 1, "unroll_rows": int(hots <= 8)}

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Schedule every bag, and whatever stands beside them by default."""
        names = block_names(sch)
        done: set[str] = set()
        for name in names:
            bag = sch.get_sblock(name)
            if _is_bag(name) and len(sch.get_loops(bag)) == 3:
                tile, behind = tile_block(sch, bag, 2)
                _bag(sch, bag, tile, config)
                done |= {name, name_of(sch, tile)}
                names += [b for b in behind if b not in names]
        schedule_rest(sch, [name for name in names if name not in done])


def _is_bag(name: str) -> bool:
    return name == "bag" or (name.startswith("bag_") and name[4:].isdigit())


def _bag(sch: Schedule, bag: SBlockRV, tile: SBlockRV, config: Config) -> None:
    width, hots = extents(sch, bag)[1:]
    vector = min(config["vector"], width)
    while width % vector:
        vector -= 1
    batch, column = sch.get_loops(tile)
    outer, lane = sch.split(column, [None, vector])
    sch.vectorize(lane)
    if config["unroll_columns"]:
        sch.unroll(outer)
    sch.compute_at(bag, batch if config["unroll_columns"] else outer, preserve_unit_loops=True)
    column, hot = sch.get_loops(bag)[-2:]
    outer, lane = sch.split(column, [None, vector])
    sch.reorder(hot, outer, lane)
    sch.unroll(outer)
    if config["unroll_rows"] and hots <= 32:
        sch.unroll(hot)
    sch.vectorize(lane)
    init = sch.decompose_reduction(bag, hot)
    loops = sch.get_loops(init)
    sch.vectorize(loops[-1])
    sch.unroll(loops[-2])
