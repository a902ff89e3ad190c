"""What all templates do with the blocks around their operator."""

from __future__ import annotations

from tvm.s_tir import Schedule
from tvm.s_tir.schedule import SBlockRV, ScheduleError

#: Floats in one vector of the widest ISA; the packed layouts use the same number.
VECTOR = 16


def block_names(sch: Schedule) -> list[str]:
    """Names of the blocks of ``main``, in order."""
    return [name_of(sch, b) for b in children(sch)]


def children(sch: Schedule) -> list[SBlockRV]:
    """Blocks of ``main``, in order."""
    return list(sch.get_child_blocks(sch.get_sblock("root")))


def name_of(sch: Schedule, block: SBlockRV) -> str:
    """Name of a block."""
    return str(sch.get(block).name_hint)


def extents(sch: Schedule, block: SBlockRV) -> list[int]:
    """Static extents of the loops around a block."""
    return [int(sch.get(loop).extent) for loop in sch.get_loops(block)]


def tile_block(sch: Schedule, anchor: SBlockRV, rank: int) -> tuple[SBlockRV, list[str]]:
    """Inline what follows `anchor` element by element, and find the block to tile.

    Parameters
    ----------
    anchor
        Block of the reduction.
    rank
        Number of its spatial loops.

    Returns
    -------
    The last element-wise block with the anchor's number of loops, a copy of the anchor's result
    if there is none; and the names of the blocks behind it, which are scheduled by default.
    """
    chain: list[SBlockRV] = []
    block = anchor
    while True:
        consumers = list(sch.get_consumers(block))
        if len(consumers) != 1 or len(sch.get_producers(consumers[0])) != 1:
            break
        block = consumers[0]
        chain.append(block)
    tile = -1
    for i, follower in enumerate(chain):
        if len(sch.get_loops(follower)) != rank or has_reduction(sch, follower):
            break
        tile = i
    if tile < 0:
        return sch.cache_write(anchor, 0, "global"), [name_of(sch, b) for b in chain]
    for follower in chain[:tile]:
        sch.compute_inline(follower)
    return chain[tile], [name_of(sch, b) for b in chain[tile + 1 :]]


def has_reduction(sch: Schedule, block: SBlockRV) -> bool:
    """True if a block reduces over some axis."""
    return any(int(v.iter_type) == _REDUCE for v in sch.get(block).iter_vars)


#: ``IterVar.CommReduce`` of TVM.
_REDUCE = 2


def try_inline(sch: Schedule, block: SBlockRV) -> bool:
    """Inline a block into its consumers if TVM allows it."""
    try:
        sch.compute_inline(block)
    except ScheduleError:
        return False
    return True


def vectorize_inner(sch: Schedule, block: SBlockRV, width: int = VECTOR) -> None:
    """Vectorize the innermost loop of a spatial block, cut to `width` lanes."""
    loops = sch.get_loops(block)
    if not loops:
        return
    extent = int(sch.get(loops[-1]).extent)
    if extent == 1:
        return
    if extent <= width:
        sch.vectorize(loops[-1])
    elif extent % width == 0:
        _, inner = sch.split(loops[-1], [None, width])
        sch.vectorize(inner)
