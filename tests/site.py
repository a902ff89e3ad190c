"""A dashboard that really serves, on a thread, and what tests ask of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from dashboards.app import create_app
from dashboards.options import DashboardOptions
from dashboards.serve import Server, address
from dashboards.source import Source
from dashboards.testing import names
from scheduler.cli.listening import listen

#: Seconds that a busy machine may take for anything.
PATIENCE_S = 240.0
#: Quick to notice everything.
OPTIONS = DashboardOptions(port=0, tick_s=0.1, redraw_s=1.0, patience_s=0.2)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request yielded."""

    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Site:
    """A dashboard that serves."""

    #: Where, without a slash at the end.
    base: str

    def named(self, path: str) -> str:
        """An address of `ADDRESSES`, of what is in the database."""
        return path.format(**_names(self.base))

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page; redirections are not followed."""
        return self.ask("GET", path, None, headers)

    def ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        """Send a request."""
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=PATIENCE_S)
        try:
            sent = {"Accept": "text/html", **{k.replace("_", "-"): v for k, v in headers.items()}}
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read().decode())
        finally:
            connection.close()

    def events(self, path: str) -> Iterator[tuple[str, str]]:
        """Events of a page as they come, names and data, for as long as they are asked for."""
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=PATIENCE_S)
        connection.request("GET", path)
        with contextlib.closing(connection), connection.getresponse() as answer:
            assert answer.status == 200, answer.read()
            name, data = "", list[str]()
            while raw := answer.readline():
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data.append(line.removeprefix("data: "))
                elif not line and name:
                    yield name, "\n".join(data)
                    name, data = "", []


@cache
def _names(base: str) -> dict[str, str]:
    return names(lambda address: Site(base).get(address).json)


@contextmanager
def serving(
    url: str,
    options: DashboardOptions = OPTIONS,
    *,
    metrics: Callable[[], bytes] | None = None,
) -> Iterator[Site]:
    """Serve a database for as long as the block lasts."""
    app = create_app(Source(url, patience_s=options.patience_s), options, metrics=metrics)
    taken = listen(options.host, options.port)
    taken.listen(128)
    server = Server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    try:
        # Whoever connects waits in the socket's queue until it serves.
        yield Site(address(options, taken).rstrip("/"))
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        taken.close()
