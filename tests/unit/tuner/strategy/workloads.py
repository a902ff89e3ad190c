"""Workloads to search for, without a compiler."""

from __future__ import annotations

from tuner.workloads.facts import Argument, Facts


def dense_facts(batch: int = 64, outputs: int = 256, depth: int = 512) -> Facts:
    """A dense layer as the importer would make it."""
    padded = -(-outputs // 16) * 16
    shapes = ((batch, depth), (padded // 16, depth, 16), (outputs,), (batch, outputs))
    arguments = tuple(Argument(shape, "float32") for shape in shapes)
    return Facts(
        op_kind="dense",
        extents={"dense": (batch, padded, depth), "T_add": (batch, outputs)},
        arguments=arguments,
        flops=2.0 * batch * outputs * depth,
        bytes=float(sum(a.nbytes for a in arguments)),
        output=3,
    )
