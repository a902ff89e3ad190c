"""Ports of commands that serve one."""

from __future__ import annotations

import asyncio
import socket

import click
import pytest

from scheduler.cli.listening import listen


def test_a_port_that_is_taken_is_told() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        taken.listen()
        with pytest.raises(click.ClickException, match="choose another port"):
            listen("127.0.0.1", port)


def test_answers_in_several_packets_do_not_wait_for_each_other() -> None:
    """As asyncio, which uvicorn serves by, sets its connections up."""

    async def option() -> int:
        found: asyncio.Queue[int] = asyncio.Queue()

        def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            found.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen("127.0.0.1", 0) as taken:
            port = taken.getsockname()[1]
            async with await asyncio.start_server(connected, sock=taken):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return await found.get()

    assert asyncio.run(option()) != 0
