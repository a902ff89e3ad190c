"""Ports of commands that serve one."""

from __future__ import annotations

import socket

import click


def listen(host: str, port: int) -> socket.socket:
    """Take a port; connections are not taken yet.

    Raises
    ------
    click.ClickException
        If it is taken, or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Connections inherit the protocol, and asyncio lets small packets go at once only where it is
    # named: without it answers in two packets wait 40 ms for the client's acknowledgement.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host.strip("[]"), port))
    except OSError as error:
        taken.close()
        raise click.ClickException(
            f"{host}:{port} cannot be listened on: {error.strerror}; choose another port"
        ) from error
    return taken
