"""The Ray actor around a worker: one per measuring core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from db import open_store
from tuner.measure import MeasureOptions
from workers.worker import serve_campaign


class TuneWorker:
    """Serves one campaign on one core."""

    def __init__(self, db_url: str, measure: MeasureOptions) -> None:
        self._db_url = db_url
        self._measure = measure

    def serve(self, campaign_id: int, archs: Sequence[str]) -> int:
        """See `workers.worker.serve_campaign`."""
        with open_store(self._db_url, create=False) as store:
            return serve_campaign(store, campaign_id, archs=archs, measure=self._measure)


def remote_worker() -> Any:
    """The actor class; the database, not Ray, decides what is tried again."""
    return ray.remote(max_restarts=0, max_task_retries=0)(TuneWorker)
