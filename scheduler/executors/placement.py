"""Which workers a campaign needs where: decided from the nodes there are, acted on elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: Label of a node: LLVM's name of its CPU.
ARCH_LABEL = "cpu-arch"
#: Label of a node: the x86-64 level of its CPU.
LEVEL_LABEL = "isa-level"
#: Label that Ray gives a node: its id.
NODE_LABEL = "ray.io/node-id"
#: Resource of a node: candidates that it measures at once.
SLOT_RESOURCE = "measure_slot"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster."""

    #: Ray's id of it.
    id: str
    #: Its labels.
    labels: Mapping[str, str]
    #: Candidates that it measures at once.
    slots: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes that are alike to a campaign, and the actors to be on them."""

    #: Value of `ARCH_LABEL` that leads there.
    label: str
    #: CPU architectures of the campaign that are measured there.
    archs: tuple[str, ...]
    #: Measuring slots that should be served.
    wanted: int


@dataclass(frozen=True, slots=True)
class Placement:
    """What a campaign needs now."""

    #: Slots to serve, by pool.
    pools: tuple[Pool, ...] = ()
    #: Architectures that wait, and why.
    waiting: Mapping[str, str] = field(default_factory=dict)


def serves(labels: Mapping[str, str], arch: str) -> bool:
    """Whether a node measures for an architecture: its own, or the level that it belongs to."""
    return arch in (labels.get(ARCH_LABEL), labels.get(LEVEL_LABEL))


def place(nodes: Sequence[Node], unfinished: Mapping[str, int]) -> Placement:
    """Decide which slots to serve.

    Parameters
    ----------
    nodes
        Those that are alive.
    unfinished
        Jobs of the campaign that are not final, by architecture.
    """
    slots: dict[tuple[str, str], int] = defaultdict(int)
    for node in nodes:
        slots[node.labels.get(ARCH_LABEL, ""), node.labels.get(LEVEL_LABEL, "")] += node.slots
    pools = []
    served = set[str]()
    for (label, level), count in sorted(slots.items()):
        labels = {ARCH_LABEL: label, LEVEL_LABEL: level}
        archs = tuple(sorted(arch for arch in unfinished if arch and serves(labels, arch)))
        jobs = sum(unfinished[arch] for arch in archs)
        if label and count and jobs:
            pools.append(Pool(label, archs, min(count, jobs)))
            served.update(archs)
    there = sorted({node.labels.get(ARCH_LABEL, "unlabelled") for node in nodes if node.slots})
    waiting = {
        arch: (
            f"waits for a node with the CPU {arch}; measuring nodes there are: "
            f"{', '.join(there) or 'none'}; start one with: tunefleet worker --arch {arch}"
        )
        for arch in sorted(set(unfinished) - served)
    }
    return Placement(tuple(pools), waiting)
