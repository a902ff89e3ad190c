"""The pages, in the order of the navigation."""

from __future__ import annotations

from typing import Any

from dashboards.pages.base import Context, NoParams, Page
from dashboards.pages.coverage import COVERAGE
from dashboards.pages.errors import ERROR, ERRORS
from dashboards.pages.jobs import JOB, JOBS
from dashboards.pages.models import MODEL, MODELS
from dashboards.pages.nights import COMPARE, NIGHT, NIGHTS
from dashboards.pages.tonight import TONIGHT
from dashboards.pages.workers import WORKERS
from dashboards.pages.workload import WORKLOAD

#: Every page; those of one thing behind those that list them.
PAGES: tuple[Page[Any, Any], ...] = (
    TONIGHT,
    COVERAGE,
    WORKLOAD,
    MODELS,
    MODEL,
    NIGHTS,
    NIGHT,
    COMPARE,
    WORKERS,
    ERRORS,
    ERROR,
    JOBS,
    JOB,
)

#: What the navigation leads to.
NAVIGATION = (TONIGHT, COVERAGE, MODELS, NIGHTS, WORKERS, ERRORS, JOBS)

__all__ = ["NAVIGATION", "PAGES", "Context", "NoParams", "Page"]
