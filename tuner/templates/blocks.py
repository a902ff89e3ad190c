"""What all templates do with the blocks around their operator."""

from __future__ import annotations

from collections.abc import Set

import tvm
import tvm_ffi
from tvm import tirx
from tvm.s_tir import Schedule
from tvm.s_tir.schedule import SBlockRV, ScheduleError

#: Floats in one vector of the widest ISA; the packed layouts use the same number.
VECTOR = 16

#: ``IterVar.CommReduce`` of TVM.
_REDUCE = 2

#: Calls that cost about as much as an addition; all others are worth a buffer.
_CHEAP = frozenset(("prim.if_then_else", "prim.likely", "tirx.fabs", "tirx.reinterpret"))


def has_blocks(sch: Schedule) -> bool:
    """True if ``main`` is made of blocks; TVM's scans and sorts are one piece each."""
    return str(sch.mod["main"].body.block.name_hint) == "root"


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


def has_reduction(sch: Schedule, block: SBlockRV) -> bool:
    """True if a block reduces over some axis."""
    return any(int(v.iter_type) == _REDUCE for v in sch.get(block).iter_vars)


def is_single_store(sch: Schedule, block: SBlockRV) -> bool:
    """True if a block writes one element by one expression; others are opaque to schedules."""
    return isinstance(sch.get(block).body, tirx.BufferStore)


def is_elementwise(sch: Schedule, block: SBlockRV) -> bool:
    """True if a block computes one element per iteration and reduces nothing."""
    return is_single_store(sch, block) and not has_reduction(sch, block)


def is_expensive(sch: Schedule, block: SBlockRV) -> bool:
    """True if an element takes more than additions and moves."""
    found: list[str] = []
    tvm_ffi.structural_walk(
        sch.get(block).body,
        (tvm.ir.Call, lambda c: found.append(str(getattr(c.op, "name", "?")))),
    )
    return any(name not in _CHEAP for name in found)


def work(sch: Schedule, block: SBlockRV) -> int:
    """How often a block runs; 0 if that depends on data."""
    total = 1
    for loop in sch.get_loops(block):
        extent = sch.get(loop).extent
        if not isinstance(extent, tirx.IntImm):
            return 0
        total *= int(extent)
    return total


def tile_block(sch: Schedule, anchor: SBlockRV, rank: int) -> tuple[SBlockRV, list[str]]:
    """Inline what follows `anchor` element by element, and find the block to tile.

    What the epilogue reads besides the anchor's result, such as a scaled bias, is inlined too.

    Parameters
    ----------
    anchor
        Block of the reduction.
    rank
        Number of its spatial loops.

    Returns
    -------
    The last element-wise block with the anchor's loops, a copy of the anchor's result if there
    is none; and the names of the blocks behind it, which are scheduled by default.
    """
    followers = _followers(sch, anchor)
    _inline_sides(sch, anchor, followers)
    epilogue = _epilogue(sch, followers, rank)
    rest = [name_of(sch, b) for b in followers[len(epilogue) :]]
    if not epilogue:
        return sch.cache_write(anchor, 0, "global"), rest
    for block in epilogue[:-1]:
        sch.compute_inline(block)
    return epilogue[-1], rest


def _followers(sch: Schedule, anchor: SBlockRV) -> list[SBlockRV]:
    """Blocks that read the anchor's result, directly or not, in order."""
    params = set(sch.mod["main"].params)
    reached: dict[str, SBlockRV] = {}
    # From consumer to consumer: a function may hold many blocks that have nothing to do with this.
    waiting = [anchor]
    while waiting:
        block = waiting.pop()
        # TVM calls blocks that write parts of one result producers of each other.
        if _writes(sch, block, params):
            continue
        for consumer in sch.get_consumers(block):
            name = name_of(sch, consumer)
            if name not in reached:
                reached[name] = consumer
                waiting.append(consumer)
    if len(reached) < 2:
        return list(reached.values())
    return [reached[name] for name in block_names(sch) if name in reached]


def _writes(sch: Schedule, block: SBlockRV, tensors: Set[tvm.ir.Var]) -> bool:
    """True if a block writes any of some tensors."""
    return any(write.source in tensors for write in sch.get(block).writes)


def _inline_sides(sch: Schedule, anchor: SBlockRV, followers: list[SBlockRV]) -> None:
    """Inline element-wise blocks that only the epilogue reads."""
    behind = {name_of(sch, b) for b in followers}
    kept = {name_of(sch, anchor), *behind}
    params = set(sch.mod["main"].params)
    sides = {
        name_of(sch, producer): producer
        for block in followers
        for producer in sch.get_producers(block)
        if not _writes(sch, producer, params)
    }
    for name, block in sides.items():
        if name in kept or not is_elementwise(sch, block):
            continue
        consumers = [name_of(sch, c) for c in sch.get_consumers(block)]
        if consumers and behind.issuperset(consumers):
            try_inline(sch, block)


def _epilogue(sch: Schedule, followers: list[SBlockRV], rank: int) -> list[SBlockRV]:
    """The longest run of followers that becomes one expression over the anchor's elements."""
    shape = extents(sch, followers[0]) if followers else []
    run = []
    for block in followers:
        if not is_elementwise(sch, block) or extents(sch, block) != shape or len(shape) != rank:
            break
        run.append(block)
    while run:
        inside = {name_of(sch, b) for b in run}
        if all(
            name_of(sch, consumer) in inside
            for block in run[:-1]
            for consumer in sch.get_consumers(block)
        ):
            return run
        run.pop()
    return []


def try_inline(sch: Schedule, block: SBlockRV) -> bool:
    """Inline a block into its consumers if TVM allows it."""
    try:
        sch.compute_inline(block)
    except ScheduleError:
        return False
    return True


def vectorize_inner(sch: Schedule, block: SBlockRV, width: int = VECTOR) -> None:
    """Vectorize the innermost loop of an element-wise block, cut to `width` lanes.

    Loops that no whole vectors fill are left to LLVM, which peels their ends off.
    """
    loops = sch.get_loops(block)
    if not loops or not is_elementwise(sch, block):
        return
    extent = int(sch.get(loops[-1]).extent)
    if extent == 1:
        return
    if extent <= width:
        sch.vectorize(loops[-1])
    elif extent % width == 0:
        _, inner = sch.split(loops[-1], [None, width])
        sch.vectorize(inner)
