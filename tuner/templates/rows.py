"""Kernels that go row by row, written out from the function itself: see `tuner.kernels.rows`."""

from __future__ import annotations

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.kernels import annotate
from tuner.templates.base import Config, ConfigSpace, Knob, Template
from tuner.templates.blocks import block_names
from tuner.workloads.facts import Facts

#: Vectors side by side; more than eight serve sums down columns alone, which stream.
_UNROLLS = (1, 2, 4, 8)
_STREAMS = (16,)
#: Additions in flight that hide the time one takes, on two ports.
_IN_FLIGHT = 4
#: Registers that a vector needs while it is computed, besides its accumulators.
_TEMPORARY = 4


class RowsTemplate(Template):
    """Functions of one kind that have a row program.

    Parameters
    ----------
    kind
        `Facts.op_kind`; also the name of the template.
    """

    def __init__(self, kind: str) -> None:
        self.name = kind

    def matches(self, facts: Facts) -> bool:
        """True for functions of this kind that go row by row."""
        return facts.op_kind == self.name and facts.by_row is not None

    def space(self, facts: Facts, simd: Simd) -> ConfigSpace:
        """Vectors of one register or of two halves, as many side by side as have registers."""
        rows = facts.by_row
        assert rows is not None
        lanes = (16, 8) if simd.lanes == 16 else (8, 16)
        sums = rows.columns + rows.reduces
        unrolls = (*_UNROLLS, *(_STREAMS if rows.columns else ()))

        def allowed(c: Config) -> bool:
            # A row that is no longer than half a vector is computed with half of it anyway.
            if c["lanes"] > max(rows.widest, min(lanes)):
                return False
            vectors = -(-rows.widest // c["lanes"])
            registers = c["unroll"] * max(1, c["lanes"] // simd.lanes) * max(1, sums)
            fits = registers + _TEMPORARY <= simd.registers
            return c["unroll"] == 1 or (fits and c["unroll"] <= vectors)

        return ConfigSpace(
            (
                Knob("lanes", lanes, "floats per vector"),
                Knob("unroll", unrolls, "vectors side by side, each with sums of its own"),
            ),
            allowed,
        )

    def default(self, facts: Facts, simd: Simd) -> Config:
        """Whole registers; enough of them side by side where sums wait for each other."""
        rows = facts.by_row
        assert rows is not None
        wanted = _IN_FLIGHT if rows.reduces or rows.columns else 1
        return min(
            self.space(facts, simd).configs,
            key=lambda c: (c["lanes"] != simd.lanes, abs(c["unroll"] - wanted), c["unroll"]),
        )

    def apply(self, sch: Schedule, config: Config, facts: Facts) -> None:
        """Note the configuration; the kernel is written out from it."""
        annotate(sch, sch.get_sblock(block_names(sch)[0]), config)
