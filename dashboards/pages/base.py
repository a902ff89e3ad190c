"""What a page is: data read for parameters, shown by a template, and told as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from dashboards.cache import Cache
from dashboards.rates import Rates
from dashboards.source import Source
from db.views.kernels import Kernel, Kernels

P = TypeVar("P")
D = TypeVar("D")

#: Seconds that what was read for one viewer is shown to others.
FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class Context:
    """Where pages read from."""

    source: Source
    cache: Cache = field(default_factory=Cache)
    rates: Rates = field(default_factory=Rates)

    def kernels(self) -> list[Kernel]:
        """Kernels of the latest version of every model; the same list while nothing changes.

        Pages keep what they make of them by that: see `Cache.made_of`.
        """

        def read() -> list[Kernel]:
            # Whatever is known is known of one database; another may have taken its place.
            store = self.source.store
            known = self.cache.made_of("known kernels", store, Kernels)
            return self.source.read(known.latest)

        return self.cache.get("kernels", FRESH_S, read)


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
