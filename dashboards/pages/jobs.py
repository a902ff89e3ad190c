"""Jobs: filtered, sorted, paged; and the story of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import Query

from dashboards.charts import Series, line_chart
from dashboards.pages.base import Context, Page
from dashboards.text import latency
from db import Event, Job, JobState, Sample
from db.schema import catalog
from db.views.jobs import JobFilter, JobRow, list_jobs

#: Jobs on one page.
PER_PAGE = 50
#: Measurements of one job that its page tells.
_SAMPLES = 5000

Sort = Literal["id", "model", "arch", "bucket", "state", "attempt", "updated"]


@dataclass(frozen=True, slots=True)
class JobsParams:
    """Which jobs, in which order."""

    #: Only of this campaign.
    campaign: Annotated[int | None, Query(ge=1)] = None
    #: Only in this state.
    state: Annotated[JobState | None, Query()] = None
    #: Only of this model.
    model: Annotated[str | None, Query()] = None
    #: Only of this CPU architecture.
    arch: Annotated[str | None, Query()] = None
    #: Only of this batch size.
    bucket: Annotated[int | None, Query(ge=1)] = None
    #: What they are sorted by.
    sort: Annotated[Sort, Query()] = "id"
    #: Direction.
    order: Annotated[Literal["asc", "desc"], Query()] = "desc"
    #: Page, from 1 on.
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1


@dataclass(frozen=True, slots=True)
class Jobs:
    """One page of jobs."""

    #: Models to choose from.
    models: Sequence[str]
    #: CPU architectures to choose from.
    archs: Sequence[str]
    #: Jobs on all pages.
    total: int
    #: Page, from 1 on.
    page: int
    #: The jobs.
    jobs: Sequence[JobRow]


@dataclass(frozen=True, slots=True)
class JobParams:
    """Which job."""

    #: Its number.
    id: int


@dataclass(frozen=True, slots=True)
class JobPage:
    """A job and its story."""

    #: The job.
    job: Job
    #: Every step, oldest first.
    events: Sequence[Event]
    #: Candidates it measured, failed ones included.
    measured: int
    #: Its measurements in order, the first of them.
    samples: Sequence[Sample]


def _read(context: Context, params: JobsParams) -> Jobs:
    chosen = JobFilter(params.campaign, params.state, params.model, params.arch, params.bucket)

    def body(connection: sa.Connection) -> Jobs:
        names = sa.select(catalog.models.c.name).order_by(catalog.models.c.name)
        archs = sa.select(catalog.cpu_archs.c.name).order_by(catalog.cpu_archs.c.name)
        total, rows = list_jobs(
            connection,
            chosen,
            sort=params.sort,
            descending=params.order == "desc",
            limit=PER_PAGE,
            offset=(params.page - 1) * PER_PAGE,
        )
        return Jobs(
            models=list(connection.execute(names).scalars()),
            archs=list(connection.execute(archs).scalars()),
            total=total,
            page=params.page,
            jobs=rows,
        )

    return context.source.read(body)


def _read_one(context: Context, params: JobParams) -> JobPage:
    store = context.source.store
    return JobPage(
        job=store.job(params.id),
        events=store.events(params.id),
        measured=store.job_measurements(params.id),
        samples=store.samples(params.id, limit=_SAMPLES),
    )


def _draw(page: Jobs, params: JobsParams) -> Mapping[str, Any]:
    def link(**changes: object) -> str:
        """Address of the same list, changed."""
        given = {
            "campaign": params.campaign,
            "state": params.state,
            "model": params.model,
            "arch": params.arch,
            "bucket": params.bucket,
            "sort": params.sort,
            "order": params.order,
            "page": 1,
        } | changes
        plain = {"sort": "id", "order": "desc", "page": 1}
        query = {k: v for k, v in given.items() if v is not None and plain.get(k) != v}
        return f"/jobs?{urlencode(query)}" if query else "/jobs"

    return {
        "link": link,
        "pages": max(1, -(-page.total // PER_PAGE)),
        "states": [str(state) for state in JobState],
    }


def _draw_one(page: JobPage, params: JobParams) -> Mapping[str, Any]:
    best: dict[str, float] = {}
    curve: list[tuple[float, float]] = []
    workloads = len({s.workload for s in page.samples if s.median is not None})
    for number, sample in enumerate(page.samples, 1):
        if sample.median is None:
            continue
        known = best.get(sample.workload)
        if known is None or sample.median < known:
            best[sample.workload] = sample.median
            if len(best) == workloads:
                curve.append((number, sum(best.values())))
    if curve and curve[-1][0] < len(page.samples):
        curve.append((len(page.samples), curve[-1][1]))
    chart = None
    if curve:
        chart = line_chart(
            [Series("best so far", curve, steps=True)],
            "Sum of the best latencies over candidates, once every workload has one",
            x_label="candidates measured",
            x_whole=True,
            y_label="sum of best latencies",
            y_text=latency,
        )
    failures = [s for s in page.samples if s.error_kind is not None]
    return {"chart": chart, "workloads": workloads, "failures": len(failures)}


JOBS = Page(
    name="jobs",
    path="/jobs",
    title="Jobs",
    about="Jobs, filtered, sorted and paged.",
    params=JobsParams,
    data=Jobs,
    read=_read,
    draw=_draw,
    live=("rows",),
)

JOB = Page(
    name="job",
    path="/jobs/{id}",
    title="Job",
    about="One job: its story, and what it measured.",
    params=JobParams,
    data=JobPage,
    read=_read_one,
    draw=_draw_one,
    live=("summary", "story"),
    section="jobs",
)
