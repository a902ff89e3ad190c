"""Tiles whose innermost part fills a vector.

MetaSchedule draws tile sizes without regard to what they mean. Three draws in four leave the loop
along memory in pieces that fill no register, and one such choice costs a factor of four or more; so
most of what is drawn is mended before it is looked at.
"""

from __future__ import annotations

import math
from itertools import pairwise

from tvm.s_tir.schedule import Instruction, Trace

from tuner.sketch.rules import TILING

#: Levels of a spatial loop in the tiling.
_LEVELS = TILING.count("S")


def with_whole_vectors(genes: Trace, vector: int) -> Trace:
    """Move factors of each tile along memory inwards, until its innermost part is a whole vector.

    Parameters
    ----------
    vector
        Values in one vector; a loop that it does not divide gets what divides both.
    """
    for inst in _along_memory(genes):
        sizes = [int(size) for size in genes.get_decision(inst)]
        genes = genes.with_decision(inst, filled(sizes, vector), remove_postproc=True)
    return genes


def filled(sizes: list[int], vector: int) -> list[int]:
    """The same product, its last factor a whole vector; the missing comes from the next ones.

    >>> filled([4, 2, 8, 2], 16)
    [4, 2, 1, 16]
    """
    *outer, last = sizes
    inner = missing = math.gcd(math.prod(sizes), vector)
    outer[-1] *= last
    for level in reversed(range(len(outer))):
        share = math.gcd(outer[level], missing)
        outer[level] //= share
        missing //= share
    return [*outer, inner]


def _along_memory(genes: Trace) -> list[Instruction]:
    """The last spatial tile of each block: its innermost loop runs along what is written."""
    tiles = [i for i in genes.insts if str(i.kind.name) == "SamplePerfectTile"]
    pairs = pairwise([*tiles, None])
    return [a for a, b in pairs if _spatial(a) and not (b is not None and _spatial(b))]


def _spatial(inst: Instruction) -> bool:
    return int(inst.attrs[0]) == _LEVELS
