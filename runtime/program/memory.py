"""Where each activation lies in the arena."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.program.graph import Graph, Source
from tuner.arena import ALIGNMENT


def plan_memory(graph: Graph) -> tuple[list[int], int]:
    """Place the activations so that none overlaps another that is still to be read.

    The largest come first, each at the lowest offset free while it lives: "greedy by size", which
    came within a percent of the optimum on the networks of Pisarchyk and Lee, "Efficient Memory
    Management for Deep Neural Net Inference", 2020, https://arxiv.org/abs/2001.03288.

    Returns
    -------
    Offset of each activation in bytes, and the size of the whole.
    """
    lives = _lives(graph)
    sizes = [aligned(size) for size in _sizes(graph)]
    offsets = [0] * graph.activations
    placed: list[int] = []
    for i in sorted(range(graph.activations), key=lambda i: -sizes[i]):
        begin, end = lives[i]
        offset = 0
        for j in sorted(placed, key=lambda j: offsets[j]):
            apart = lives[j][1] < begin or end < lives[j][0]
            if apart or offsets[j] + sizes[j] <= offset:
                continue
            if offsets[j] >= offset + sizes[i]:
                break
            offset = offsets[j] + sizes[j]
        offsets[i] = offset
        placed.append(i)
    return offsets, max((offsets[i] + sizes[i] for i in placed), default=0)


def aligned(size: int) -> int:
    """`size` rounded up, so that what follows starts on a register and a cache line."""
    return -(-max(size, 1) // ALIGNMENT) * ALIGNMENT


def layout(sizes: Sequence[int], start: int) -> tuple[list[int], int]:
    """Offsets of pieces that lie side by side from `start` on, and where they end."""
    offsets = []
    for size in sizes:
        offsets.append(start)
        start += aligned(size)
    return offsets, start


def _lives(graph: Graph) -> list[tuple[int, int]]:
    """First and last step that touches each activation; outputs live to the end."""
    lives: list[tuple[int, int]] = [(0, 0)] * graph.activations
    seen: set[int] = set()
    touched = [[*step.arguments] for step in graph.steps]
    touched.append([output.value for output in graph.outputs])
    for at, values in enumerate(touched):
        for value in values:
            if value.source is Source.ACTIVATION:
                first = lives[value.index][0] if value.index in seen else at
                lives[value.index] = (first, at)
                seen.add(value.index)
    return lives


def _sizes(graph: Graph) -> list[int]:
    sizes = [0] * graph.activations
    for step in graph.steps:
        for value in step.arguments:
            if value.source is Source.ACTIVATION:
                sizes[value.index] = value.nbytes
    return sizes
