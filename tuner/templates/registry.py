"""Which template schedules which function."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tvm.s_tir import Schedule

from tuner.arch import Simd
from tuner.templates.base import Template
from tuner.templates.batched_matmul import BatchedMatmulTemplate
from tuner.templates.dense import DenseTemplate
from tuner.templates.elementwise import DefaultTemplate
from tuner.templates.embedding import EmbeddingTemplate
from tuner.templates.fallbacks import first_line, note_fallback
from tuner.templates.narrow import NarrowTemplate
from tuner.templates.offset_bags import OffsetBagsTemplate
from tuner.templates.pair_dots import PairDotsTemplate
from tuner.templates.rows import RowsTemplate
from tuner.workloads.facts import ROW_KINDS, Facts

#: Part of the toolchain's identity: records made by other templates are not taken for ours.
TEMPLATE_VERSION = "3"

_DEFAULT = DefaultTemplate()
_TEMPLATES: tuple[Template, ...] = (
    NarrowTemplate(),
    DenseTemplate(),
    BatchedMatmulTemplate(),
    PairDotsTemplate(),
    EmbeddingTemplate(),
    OffsetBagsTemplate(),
    *(RowsTemplate(kind) for kind in ROW_KINDS),
    _DEFAULT,
)


def template_for(facts: Facts) -> Template:
    """The template for a workload; the last one takes everything."""
    return next(t for t in _TEMPLATES if t.matches(facts))


def scheduled(
    new: Callable[[], Schedule], facts: Facts, simd: Simd, config: Mapping[str, int] | None
) -> Schedule:
    """Schedule a workload by its template.

    The template's default configuration always gives a schedule: one that TVM refuses is counted
    (`tuner.templates.fallbacks`) and the default template takes its place.

    Parameters
    ----------
    new
        Makes an empty schedule of the workload.
    config
        None for the default configuration.

    Raises
    ------
    ScheduleError
        If TVM refuses another configuration.
    """
    template = template_for(facts)
    default = template.default(facts, simd)
    sch = new()
    try:
        template.apply(sch, dict(config or default), facts)
    except Exception as error:
        if template is _DEFAULT or (config is not None and dict(config) != default):
            raise
        note_fallback(template.name, f"{facts.name}: {first_line(error)}")
        sch = new()
        _DEFAULT.apply(sch, _DEFAULT.default(facts, simd), facts)
    return sch
