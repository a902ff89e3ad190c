"""Pairwise dot products: tiles of rows against groups of rows, see `tuner.kernels.pair_dots`."""

from __future__ import annotations

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.kernels import annotate
from tuner.templates.base import Config, ConfigSpace, Knob, Template
from tuner.templates.blocks import block_names
from tuner.workloads.facts import Facts

#: Elements of one row in a packed register.
_QUAD = 4


class PairDotsTemplate(Template):
    """`tuner.ops.pair_dots`."""

    name = "pair_dots"

    def matches(self, facts: Facts) -> bool:
        """True if any block is a run of dot products."""
        return any(name.startswith("dots_") for name in facts.extents)

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Tiles that fit the registers: sums, one part of each row, and one group."""
        _, vectors, depth = facts.arguments[0].shape
        quads = -(-depth // _QUAD)
        lanes = (16, 8) if simd.lanes == 16 else (8,)
        rows = tuple(r for r in (1, 2, 3, 4, 5, 6, 8) if r <= vectors)
        groups = tuple(range(1, min(8, -(-vectors * _QUAD // min(lanes))) + 1))

        def allowed(c: Config) -> bool:
            fits = c["rows"] * c["groups"] + c["rows"] + 1 <= simd.registers
            # Fewer sums than an addition takes cycles on two ports leave the ports waiting.
            fills = c["rows"] * c["groups"] >= min(8, max(rows) * max(groups))
            needed = c["groups"] == 1 or (c["groups"] - 1) * (c["lanes"] // _QUAD) < vectors
            return fits and fills and needed

        return ConfigSpace(
            (
                Knob("lanes", lanes, "floats per register"),
                Knob("rows", rows, "rows of the register tile"),
                Knob("groups", groups, "groups of lanes / 4 rows that they are multiplied with"),
                Knob("unroll", tuple(u for u in (1, 2, 4) if u <= quads), "quads unrolled"),
            ),
            allowed,
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """The fullest tile of four rows."""
        return min(
            self.space(facts, simd).configs,
            key=lambda c: (
                -c["lanes"],
                abs(c["rows"] - (4 if simd.registers == 32 else 3)),
                -c["groups"],
                c["unroll"],
            ),
        )

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Note the configuration; the kernel is written out from it."""
        name = next(n for n in block_names(sch) if n.startswith("dots_"))
        annotate(sch, sch.get_sblock(name), config)
