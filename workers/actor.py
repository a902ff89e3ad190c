"""The Ray actor around workers: one per measuring slot, or one for many slots of a replay."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import ray

from db import open_store
from workers.builders import SLOT_RESOURCE, RemoteBuilder, builds_per_slot
from workers.logs import log_to
from workers.tools import LocalTools, ToolMaker, Tools
from workers.waiting import tools_when_free
from workers.worker import Left, WorkerOptions, serve_campaign

#: Seconds that a worker keeps trying while the database is away; its measurements wait meanwhile.
PATIENCE_S = 600.0


class TuneWorker:
    """Serves a campaign; each call of `serve` is one slot."""

    def __init__(self, db_url: str, make_tools: ToolMaker, options: WorkerOptions) -> None:
        log_to()
        self._make_tools, self._options = make_tools, options
        # One for all slots: the threads of a process queue for SQLite's one writer, where many
        # stores would poll for it. It is closed when the process ends.
        self._store = open_store(db_url, create=False, patience_s=PATIENCE_S)
        self._stopping = threading.Event()

    def serve(self, campaign_id: int, archs: Sequence[str], worker: str) -> Left:
        """See `workers.worker.serve_campaign`."""
        node = ray.get_runtime_context().get_node_id()
        options = dataclasses.replace(
            self._options, labels={**self._options.labels, "ray_node": node}
        )
        stop = self._stopping.is_set
        tools = tools_when_free(
            partial(self._tools, node), self._store, campaign_id, archs, should_stop=stop
        )
        if tools is None:
            return Left("it was told to stop while it waited for a core", node=node)
        left = serve_campaign(
            self._store,
            campaign_id,
            archs=archs,
            tools=tools,
            options=options,
            worker=worker,
            should_stop=stop,
        )
        return dataclasses.replace(left, node=node)

    def _tools(self, node: str) -> Tools:
        """Tools for a slot of this node; how many slots it has is told by the node itself."""
        make = self._make_tools
        if isinstance(make, LocalTools) and make.slots is None:
            nodes = {n["NodeID"]: n for n in ray.nodes()}  # type: ignore[no-untyped-call]
            make = dataclasses.replace(make, slots=int(nodes[node]["Resources"][SLOT_RESOURCE]))
        tools = make()
        builds = builds_per_slot()
        if isinstance(make, LocalTools) and builds:
            tools.builder.close()
            tools.builder = RemoteBuilder(make.measure, at_once=builds)
        return tools

    def stop(self) -> None:
        """Let every slot end after what it measures now."""
        self._stopping.set()


def remote_worker() -> Any:
    """The actor class; the database, not Ray, decides what is tried again."""
    return ray.remote(max_restarts=0, max_task_retries=0)(TuneWorker)
