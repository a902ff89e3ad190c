"""What a page is: data read for parameters, shown by a template, and told as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from dashboards.cache import Cache
from dashboards.rates import Rates
from dashboards.source import Source
from db.views.kernels import Kernel, kernels, latest_versions

P = TypeVar("P")
D = TypeVar("D")

#: Seconds that the kernels of all models are remembered: the one large read that pages share;
#: and seconds more during which they are shown while they are read anew.
_KERNELS_S = 5.0
_KERNELS_STALE_S = 30.0


@dataclass(frozen=True, slots=True)
class Context:
    """Where pages read from."""

    source: Source
    cache: Cache = field(default_factory=Cache)
    rates: Rates = field(default_factory=Rates)

    def kernels(self) -> list[Kernel]:
        """Kernels of the latest version of every model."""

        def read(connection: sa.Connection) -> list[Kernel]:
            return kernels(connection, list(latest_versions(connection)))

        return self.cache.get(
            "kernels", _KERNELS_S, lambda: self.source.read(read), stale_s=_KERNELS_STALE_S
        )


@dataclass(frozen=True, slots=True)
class NoParams:
    """Of a page that takes none."""


@dataclass(frozen=True, slots=True)
class Page(Generic[P, D]):
    """A page, and its JSON twin.

    Parameters
    ----------
    name
        Of its template and in the navigation.
    path
        Its permanent address; the twin's is the same with ``.json``.
    title
        For people.
    about
        What it shows, in the description of the JSON.
    params
        Class of its parameters; path and query fill it.
    data
        Class of its data, which is what the twin tells.
    read
        Reads the data.
    draw
        Makes what only the template needs: charts, links.
    live
        Sections of the template that are kept up to date.
    section
        Which entry of the navigation it belongs to; its own name unless given.
    """

    name: str
    path: str
    title: str
    about: str
    params: type[P]
    data: type[D]
    read: Callable[[Context, P], D]
    draw: Callable[[D, P], Mapping[str, Any]]
    live: tuple[str, ...] = ()
    section: str = ""
