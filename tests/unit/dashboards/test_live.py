"""What viewers of one page share."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing

from dashboards.live import Hub, Topic
from dashboards.options import DashboardOptions
from dashboards.pages import Context
from dashboards.pages.base import NoParams
from dashboards.pages.tonight import TONIGHT
from dashboards.source import Source


def test_those_who_come_at_once_are_drawn_for_once() -> None:
    all_came = threading.Event()
    drawn: list[Topic] = []

    def draw(topic: Topic) -> dict[str, str]:
        drawn.append(topic)
        assert all_came.wait(240)
        return {"figures": "<p>\n7</p>"}

    hub = Hub(Context(Source("sqlite:///nothing.db")), DashboardOptions(), draw)
    topic = Topic(TONIGHT, NoParams())

    async def watch() -> bytes:
        async with aclosing(hub.watch(topic)) as events:
            return await anext(events)

    async def everybody() -> list[bytes]:
        tasks = [asyncio.create_task(watch()) for _ in range(5)]
        while hub.viewers < len(tasks):
            await asyncio.sleep(0)
        all_came.set()
        return await asyncio.gather(*tasks)

    sent = asyncio.run(everybody())
    assert drawn == [topic]
    expected = b"event: state\ndata: \n\nevent: figures\ndata: <p>\ndata: 7</p>\n\n"
    assert sent == [expected] * 5
    assert hub.viewers == 0
