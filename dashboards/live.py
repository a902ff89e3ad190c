"""What is live: one look at the database for everybody who watches, sent when something changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from markupsafe import escape

from dashboards.options import DashboardOptions
from dashboards.pages import Context, Page
from db import DbError
from db.views.pulse import Pulse, pulse

#: Seconds between two signs of life on a connection on which nothing happens.
_SIGN_OF_LIFE_S = 15.0


@dataclass(frozen=True, slots=True)
class Topic:
    """A page with its parameters: whoever watches the same shares one drawing."""

    page: Page[Any, Any]
    params: Any

    def __hash__(self) -> int:
        return hash((self.page.name, self.params))


@dataclass(slots=True, eq=False)
class _Viewer:
    """One connection: what it has not been sent yet, the newest of each section."""

    topic: Topic
    pending: dict[str, bytes] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, events: dict[str, bytes]) -> None:
        """Have events sent, by section; those that a slow connection never got are replaced."""
        self.pending.update(events)
        self.wake.set()


class Hub:
    """Looks at the database again and again, and tells viewers what changed on their pages.

    Parameters
    ----------
    context
        Where pages read from.
    options
        How often.
    draw
        Makes the live sections of a topic, by name; called on a thread.
    """

    def __init__(
        self, context: Context, options: DashboardOptions, draw: Callable[[Topic], dict[str, str]]
    ) -> None:
        self._context, self._options, self._draw = context, options, draw
        self._viewers: set[_Viewer] = set()
        self._drawn: dict[Topic, dict[str, str]] = {}
        self._pulse: Pulse | None = None
        self._redrawn = 0.0
        self._banner = ""
        self._closed = False
        self._first = asyncio.Lock()

    @property
    def viewers(self) -> int:
        """Connections at present."""
        return len(self._viewers)

    def close(self) -> None:
        """End every connection; their pages connect again as soon as somebody serves."""
        self._closed = True
        for viewer in self._viewers:
            viewer.wake.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._look()
            await asyncio.sleep(self._options.tick_s)

    async def watch(self, topic: Topic) -> AsyncGenerator[bytes, None]:
        """Events for one viewer, as they are sent."""
        viewer = _Viewer(topic)
        self._viewers.add(viewer)
        try:
            # What changed while the page was on its way, or while the connection was lost.
            viewer.offer(_events({"state": self._banner, **self._drawn.get(topic, {})}))
            # One draws it for all who come at once.
            async with self._first:
                if topic not in self._drawn:
                    await self._update(topic)
            while not self._closed:
                try:
                    await asyncio.wait_for(viewer.wake.wait(), _SIGN_OF_LIFE_S)
                except TimeoutError:
                    yield b": alive\n\n"
                    continue
                viewer.wake.clear()
                pending, viewer.pending = viewer.pending, {}
                yield b"".join(pending.values())
        finally:
            self._viewers.discard(viewer)
            if not any(other.topic == topic for other in self._viewers):
                self._drawn.pop(topic, None)

    async def _look(self) -> None:
        try:
            found = await asyncio.to_thread(self._context.source.read, pulse)
        except DbError as error:
            self._pulse = None
            self._tell_state(f"The database is away: {error} This page goes on when it is back.")
            return
        self._context.rates.note(found)
        self._tell_state("")
        changed = self._pulse is None or found.marks != self._pulse.marks
        self._pulse = found
        if changed or time.monotonic() - self._redrawn > self._options.redraw_s:
            self._redrawn = time.monotonic()
            for topic in {viewer.topic for viewer in self._viewers}:
                await self._update(topic)

    async def _update(self, topic: Topic) -> None:
        try:
            sections = await asyncio.to_thread(self._draw, topic)
        except DbError:
            # Told by the next look, if it lasts.
            return
        known = self._drawn.get(topic, {})
        changed = {name: html for name, html in sections.items() if known.get(name) != html}
        self._drawn[topic] = sections
        # Made and encoded once, however many watch.
        events = _events(changed)
        for viewer in self._viewers:
            if events and viewer.topic == topic:
                viewer.offer(events)

    def _tell_state(self, text: str) -> None:
        banner = f'<p class="banner">{escape(text)}</p>' if text else ""
        if banner != self._banner:
            self._banner = banner
            for viewer in self._viewers:
                viewer.offer(_events({"state": banner}))


def _events(sections: dict[str, str]) -> dict[str, bytes]:
    return {name: _event(name, html) for name, html in sections.items()}


def _event(name: str, html: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
