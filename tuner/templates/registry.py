"""Which template schedules which function."""

from __future__ import annotations

from tuner.templates.base import Template
from tuner.templates.batched_matmul import BatchedMatmulTemplate
from tuner.templates.dense import DenseTemplate
from tuner.templates.elementwise import DefaultTemplate
from tuner.templates.embedding import EmbeddingTemplate
from tuner.templates.narrow import NarrowTemplate
from tuner.workloads.facts import Facts

#: Part of the toolchain's identity: records made by other templates are not taken for ours.
TEMPLATE_VERSION = "1"

_TEMPLATES: tuple[Template, ...] = (
    NarrowTemplate(),
    DenseTemplate(),
    BatchedMatmulTemplate(),
    EmbeddingTemplate(),
    DefaultTemplate(),
)


def template_for(facts: Facts) -> Template:
    """The template for a workload; the last one takes everything."""
    return next(t for t in _TEMPLATES if t.matches(list(facts.extents)))
