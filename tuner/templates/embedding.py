"""Embedding bags: rows are added up in registers, column vectors unrolled."""

from __future__ import annotations

from tvm.s_tir import SBlockRV, Schedule

from tuner.arch import Simd
from tuner.templates.base import Config, ConfigSpace, Knob, Template
from tuner.templates.blocks import children, extents, has_reduction, name_of, vectorize_inner
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
        rest = []
        for block in children(sch):
            name = name_of(sch, block)
            if _is_bag(name) and has_reduction(sch, block):
                _bag(sch, block, config)
            else:
                rest.append(name)
        schedule_rest(sch, rest)


def _is_bag(name: str) -> bool:
    return name == "bag" or name.startswith("bag_") and name[4:].isdigit()


def _bag(sch: Schedule, block: SBlockRV, config: Config) -> None:
    batch, column, hot = sch.get_loops(block)
    width, hots = extents(sch, block)[1:]
    vector = min(config["vector"], width)
    if width % vector:
        sch.reorder(batch, hot, column)
        init = sch.decompose_reduction(block, hot)
        vectorize_inner(sch, init)
        return
    outer, lane = sch.split(column, [None, vector])
    if config["unroll_columns"]:
        sch.reorder(batch, hot, outer, lane)
        sch.unroll(outer)
    else:
        sch.reorder(batch, outer, hot, lane)
    if config["unroll_rows"] and hots <= 32:
        sch.unroll(hot)
    sch.vectorize(lane)
    init = sch.decompose_reduction(block, hot)
    loops = sch.get_loops(init)
    sch.vectorize(loops[-1])
    if config["unroll_columns"]:
        sch.unroll(loops[-2])
