"""Serving: one process, one port."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from dashboards.live import Hub
from dashboards.options import DashboardOptions

#: Priority beside those who tune on the same machine; see ``man 1 nice``.
_NICENESS = 10
#: Objects made, less those that are gone, after which garbage is looked for among the new ones.
_COLLECT_AFTER = 100_000


def address(options: DashboardOptions, taken: socket.socket) -> str:
    """Where it can be reached."""
    host = options.host if ":" not in options.host else f"[{options.host.strip('[]')}]"
    return f"http://{host}:{taken.getsockname()[1]}/"


class Server(uvicorn.Server):
    """A server that does not wait for viewers on its way out: their connections never end."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        super().__init__(config)
        self._hub: Hub = app.state.hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the viewers' connections, then as any server."""
        self._hub.close()
        await super().shutdown(sockets)


def serve(app: FastAPI, taken: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until a signal ends it; who connects before it is `ready` waits for that."""
    server = Server(app)
    taken.listen(server.config.backlog)
    # What the first request would import.
    server.config.load()
    asyncio.run(run_in_threadpool(bool))
    app.state.warm()
    _give_way()
    # What was imported stays for ever, and a page makes ten thousand objects, none of them in a
    # circle: the collector need not look at all that several times a page.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    ready()
    server.run(sockets=[taken])


def _give_way() -> None:
    """Take a core only when nobody who tunes wants it: viewers can wait, measurements cannot."""
    if os.getpriority(os.PRIO_PROCESS, 0) < _NICENESS:
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
