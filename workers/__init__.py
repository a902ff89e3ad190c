"""Ray actors and tasks around the tuner: builder, measurer, recorder."""

from workers.job import JobOptions, run_job
from workers.tools import LocalTools, Tools
from workers.worker import WorkerOptions, serve_campaign

__all__ = ["JobOptions", "LocalTools", "Tools", "WorkerOptions", "run_job", "serve_campaign"]
