"""Bags cut at offsets: written out, see `tuner.ops.bag_from_offsets`."""

from __future__ import annotations

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.kernels import annotate
from tuner.templates.base import Config, ConfigSpace, Knob, Template
from tuner.templates.embedding import AHEAD, CACHED, LEVELS
from tuner.workloads.facts import Facts

_BLOCK = "bag_from_offsets"


class OffsetBagsTemplate(Template):
    """Bags whose lengths depend on data."""

    name = "offset_bags"

    def matches(self, facts: Facts) -> bool:
        """True for the kernel that is written out."""
        return _BLOCK in facts.extents

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Vectors, and how far ahead rows are asked for."""
        return ConfigSpace(
            (
                Knob("lanes", (16, 8) if simd.lanes == 16 else (8, 16), "floats per vector"),
                Knob("ahead", AHEAD, "rows prefetched ahead; 0: none"),
                Knob("level", LEVELS, "level of the cache they go to, counted from memory"),
            ),
            lambda c: bool(c["ahead"]) or c["level"] == LEVELS[0],
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """Whole registers, and prefetches if the table is larger than a core's cache."""
        large = facts.arguments[0].nbytes > CACHED
        return {"lanes": simd.lanes, "ahead": 32 if large else 0, "level": LEVELS[0]}

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Note the configuration; the kernel is written out from it."""
        annotate(sch, sch.get_sblock(_BLOCK), config)
