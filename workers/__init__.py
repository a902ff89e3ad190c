"""Ray actors and tasks around the tuner: builder, measurer, recorder."""

from workers.job import JobOptions, run_job
from workers.worker import serve_campaign

__all__ = ["JobOptions", "run_job", "serve_campaign"]
