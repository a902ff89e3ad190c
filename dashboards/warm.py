"""Every page drawn once before anybody asks: connections, queries and templates are ready then."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from dashboards.pages import NAVIGATION, Context, Page
from dashboards.pages.errors import ERROR, ERRORS, ErrorParams, ErrorsParams
from dashboards.pages.jobs import JOB, JOBS, JobParams, JobsParams
from dashboards.pages.models import MODEL, ModelParams
from dashboards.pages.nights import COMPARE, NIGHT, NIGHTS, CompareParams, NightParams, NightsParams
from dashboards.pages.workload import WORKLOAD, WorkloadParams
from dashboards.render import Renderer
from db import DbError, JobState


def warm(context: Context, renderer: Renderer) -> None:
    """Draw pages for nobody.

    Only that it was done stays, and the kernels for as long as anybody's are kept: the first viewer
    is shown what the database holds then. A database that is away is told to those who ask.
    """
    with contextlib.suppress(DbError):
        for page, params in examples(context):
            renderer.page(page, params, page.read(context, params), live="", twin="")


def examples(context: Context) -> Iterator[tuple[Page[Any, Any], Any]]:
    """What the navigation leads to, and one of each page behind that, of what there is."""
    for page in NAVIGATION:
        yield page, page.params()
    for kernel in [k for k in context.kernels() if k.tuned][:1]:
        yield MODEL, ModelParams(kernel.model)
        yield WORKLOAD, WorkloadParams(kernel.workload)
    nights = NIGHTS.read(context, NightsParams()).nights
    for night in nights[:1]:
        yield NIGHT, NightParams(night.id)
        # Far apart, so that the records of every night in between are read.
        yield COMPARE, CompareParams(nights[-1].id, night.id)
    for job in JOBS.read(context, JobsParams(state=JobState.DONE)).jobs[:1]:
        yield JOB, JobParams(job.id)
    for group in ERRORS.read(context, ErrorsParams()).groups[:1]:
        yield ERROR, ErrorParams(group.signature)
