"""One worker on a thread of this process: for one machine without Ray, and for tests."""

from __future__ import annotations

import threading

from db import open_store
from scheduler.errors import ExecutorError
from scheduler.executors.base import (
    PATIENCE_S,
    Executor,
    look_at,
    requeue_orphans,
    runnable_archs,
)
from workers.tools import ToolMaker
from workers.waiting import tools_when_free
from workers.worker import Left, WorkerOptions, serve_campaign


class InProcessExecutor(Executor):
    """Runs one job after the other."""

    def __init__(self, db_url: str, make_tools: ToolMaker, options: WorkerOptions) -> None:
        self._make_tools, self._options = make_tools, options
        self._store = open_store(db_url, create=False, patience_s=PATIENCE_S)
        self._campaign = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._left: Left | None = None
        self._error: BaseException | None = None

    def start(self, campaign_id: int) -> None:
        """See `Executor.start`."""
        self._campaign = campaign_id
        requeue_orphans(self._store)
        self._thread = threading.Thread(target=self._serve, name="worker", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        stop = self._stopping.is_set
        try:
            archs = runnable_archs(self._store)
            tools = tools_when_free(
                self._make_tools, self._store, self._campaign, archs, should_stop=stop
            )
            if tools is None:
                return
            self._left = serve_campaign(
                self._store,
                self._campaign,
                archs=archs,
                tools=tools,
                options=self._options,
                should_stop=stop,
            )
        except BaseException as error:  # Reported by poll, in the caller's thread.
            self._error = error

    def poll(self) -> None:
        """See `Executor.poll`."""
        if self._error is not None:
            raise ExecutorError(f"the worker ended: {self._error}") from self._error
        self._store.expire_leases()
        # Looked at before the jobs are: a worker that leaves has none of them any more.
        left = self._left
        waiting = look_at(self._store, self._campaign)
        if waiting and left is not None:
            raise ExecutorError(
                f"the worker left ({left.reason}) and {waiting} jobs remain; what was measured is "
                "stored: run the same command again to go on"
            )

    def stop(self) -> None:
        """See `Executor.stop`."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._store.close()
