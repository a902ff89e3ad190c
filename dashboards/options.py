"""Everything that can be chosen about the dashboard."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

#: Shortest token that is worth asking for.
SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class DashboardOptions:
    """Where it listens, and whom it lets in."""

    #: Address to listen on.
    host: str = "127.0.0.1"
    #: Port to listen on; 0 takes a free one.
    port: int = 8420
    #: What viewers have to know; required unless `host` is this machine's own.
    token: str | None = field(default=None, repr=False)
    #: Seconds between two looks at the database for those who watch: what is written is seen within
    #: two, and the time between is of those who tune.
    tick_s: float = 1.0
    #: Seconds after which what is watched is drawn anew though nothing was written: ages grow.
    redraw_s: float = 5.0
    #: Seconds that a page waits for a database that is away.
    patience_s: float = 1.0

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"whoever reaches {self.host} could read everything: set a token, "
                "TUNEFLEET_DASHBOARD_TOKEN, or listen on 127.0.0.1"
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise ValueError(
                f"the token is too short to keep anybody out: give {SHORTEST_TOKEN} characters "
                "or more, e.g. of `openssl rand -hex 16`"
            )


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
