"""Rows of tables: bags added up in registers, and single rows; later rows are prefetched."""

from __future__ import annotations

import re

from tvm.s_tir import Schedule
from tvm.s_tir.schedule import LoopRV, SBlockRV

from tuner.arch import Simd
from tuner.kernels import Prefetch
from tuner.templates.axes import row_loop
from tuner.templates.base import Config, ConfigSpace, Knob, Template, divisors
from tuner.templates.blocks import block_names, extents, name_of, tile_block
from tuner.templates.elementwise import schedule_rest
from tuner.workloads.facts import Facts

_BAG = re.compile(r"bag(_\d+)?")
#: Blocks that copy rows; ``gather`` reads its indices one after the other.
_ROWS = re.compile(r"row_\d+|gather\d*")
#: Rows in flight that fill the memory's latency; fewer suffice where a row is many lines.
AHEAD = (0, 8, 16, 32, 64)
#: Prefetch into the first or the second level of the cache.
LEVELS = (2, 3)
#: Tables beyond this many bytes are not in a core's own cache.
CACHED = 1 << 20
#: Longest odd vector.
_LONGEST = 128


class EmbeddingTemplate(Template):
    """Bags of a fixed number of rows and rows alone, whatever stands beside them."""

    name = "embedding_bag"

    def matches(self, facts: Facts) -> bool:
        """True if any block reads rows of a table by an index."""
        return any(_BAG.fullmatch(name) or _ROWS.fullmatch(name) for name in facts.extents)

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Vectors, columns summed at a time, rows unrolled, and how far ahead rows are asked for.

        Sums of one pass stay in registers.
        """
        widest, hots = _size(facts)
        vectors = tuple(v for v in (16, 8) if v <= max(8, 2 * simd.lanes))
        passes = (0, *(n for n in (4, 8, 16) if n * 16 < widest))

        def allowed(c: Config) -> bool:
            columns = c["columns"] * 16 or widest
            if columns > (simd.registers - 4) * simd.lanes:
                return False
            # Rows that are read in several passes come from the cache on all but the first.
            if c["columns"] and c["ahead"]:
                return False
            return bool(c["ahead"]) or c["level"] == LEVELS[0]

        return ConfigSpace(
            (
                Knob("vector", vectors, "floats per vector"),
                Knob("columns", passes, "vectors of 16 summed at a time; 0: whole rows"),
                Knob("unroll", _unrolls(hots), "rows of a bag unrolled"),
                Knob("ahead", AHEAD, "rows prefetched ahead; 0: none"),
                Knob("level", LEVELS, "level of the cache they go to, counted from memory"),
            ),
            allowed,
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """Whole rows, and prefetches if the tables are larger than a core's cache."""
        _, hots = _size(facts)
        large = sum(a.nbytes for a in facts.arguments if a.table) > CACHED
        unroll = max(u for u in _unrolls(hots) if u <= 8)
        return min(
            self.space(facts, simd).configs,
            key=lambda c: (
                c["vector"] != 16,
                c["columns"] != 0,
                abs(c["unroll"] - unroll),
                c["ahead"] != (32 if large else 0),
                -c["columns"],
                c["level"],
            ),
        )

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Schedule every bag, and whatever stands beside them by default."""
        names = block_names(sch)
        done: set[str] = set()
        for name in names:
            bag = sch.get_sblock(name)
            if _BAG.fullmatch(name) and len(sch.get_loops(bag)) == 3:
                tile, behind = tile_block(sch, bag, 2)
                done |= {name, name_of(sch, tile)}
                names += [b for b in behind if b not in names]
                hot = _bag(sch, bag, tile, config)
                _prefetch(sch, hot, config, name, facts.extents[name][2])
        rest = schedule_rest(sch, [n for n in names if n not in done], config["vector"])
        for name in rest:
            loop = row_loop(sch, sch.get_sblock(name))
            if loop is not None:
                _prefetch(sch, loop, config, name, 1)


def _size(facts: Facts) -> tuple[int, int]:
    """Columns of the widest row, and rows of the longest bag."""
    bags = [e for name, e in facts.extents.items() if _BAG.fullmatch(name) and len(e) == 3]
    hots = max((e[2] for e in bags), default=1)
    return max((e[1] for e in bags), default=16), hots


def _unrolls(hots: int) -> tuple[int, ...]:
    return divisors(hots, 8) if hots > 8 else tuple(sorted({1, hots}))


def _prefetch(sch: Schedule, loop: LoopRV, config: Config, name: str, hots: int) -> None:
    if not config["ahead"]:
        return
    # Segments read columns of indices that others read, too: the next index in memory may be one
    # of another table. What is certain is the same column of a later bag.
    in_order = name in ("bag", "gather")
    ahead = config["ahead"] if in_order else -(-config["ahead"] // hots)
    Prefetch(ahead, config["level"], "rows" if in_order else "bags").annotate(sch, loop)


def _bag(sch: Schedule, bag: SBlockRV, tile: SBlockRV, config: Config) -> LoopRV:
    """Schedule one bag; returns the innermost loop over its rows."""
    width, hots = extents(sch, bag)[1:]
    vector = min(config["vector"], width)
    if width % vector:
        # LLVM cuts one odd vector into whole ones and a rest.
        vector = width if width <= _LONGEST else max(divisors(width, vector))
    columns = config["columns"] * 16
    whole = not columns or columns >= width or width % columns or columns % vector
    batch, column = sch.get_loops(tile)
    outer, lane = sch.split(column, [None, vector])
    at = batch
    if not whole:
        at, outer = sch.split(outer, [None, columns // vector])
    sch.vectorize(lane)
    sch.unroll(outer)
    sch.compute_at(bag, at, preserve_unit_loops=True)
    column, hot = sch.get_loops(bag)[-2:]
    outer, lane = sch.split(column, [None, vector])
    unroll = config["unroll"] if hots % config["unroll"] == 0 else 1
    hot_out, hot_in = sch.split(hot, [None, unroll])
    sch.reorder(hot_out, hot_in, outer, lane)
    sch.unroll(outer)
    sch.unroll(hot_in)
    sch.vectorize(lane)
    init = sch.decompose_reduction(bag, hot_out)
    loops = sch.get_loops(init)
    sch.vectorize(loops[-1])
    sch.unroll(loops[-2])
    return hot_in
