"""Viewers of a dashboard's live page, in a process of their own, as browsers are.

``python -m benchmarks._watchers BASE NUMBER`` prints a line when all have had their first events,
and reads on until its input ends.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys

_REQUEST = b"GET /tonight.live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def main() -> None:
    """Watch."""
    # People look at it on machines of their own: here they take what nobody else wants.
    os.nice(19)
    base, number = sys.argv[1], int(sys.argv[2])
    host, _, port = base.removeprefix("http://").partition(":")
    waiting = selectors.DefaultSelector()
    waiting.register(sys.stdin, selectors.EVENT_READ)
    quiet = set[socket.socket]()
    for _ in range(number):
        one = socket.create_connection((host, int(port)))
        one.sendall(_REQUEST)
        waiting.register(one, selectors.EVENT_READ)
        quiet.add(one)
    while True:
        for key, _ in waiting.select():
            if not isinstance(key.fileobj, socket.socket):
                return
            found = key.fileobj.recv(1 << 18)
            if not found:
                sys.exit("the dashboard ended a connection")
            if key.fileobj in quiet and b"event: " in found:
                quiet.discard(key.fileobj)
                if not quiet:
                    print("all watch", flush=True)


if __name__ == "__main__":
    main()
