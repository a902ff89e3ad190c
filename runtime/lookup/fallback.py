"""Asks one source after the other, and never waits long for any."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from db import CpuArch, DatabaseUnavailable, Store, Workload
from runtime.lookup.choice import Choice, Lookup, NoRecords
from runtime.lookup.reach import Reach
from runtime.lookup.remembered import RememberedChoices
from runtime.lookup.stored import StoreLookup
from tuner.workloads import KernelUse

_log = logging.getLogger(__name__)

T = TypeVar("T")


class FallbackLookup:
    """The database; if it is out of reach the snapshot, then what was found before.

    Parameters
    ----------
    database, snapshot
        Where records are; None for none.
    remembered
        Keeps what the database answered.
    """

    def __init__(
        self, database: Reach, snapshot: Reach | None, remembered: RememberedChoices | None
    ) -> None:
        self._database, self._snapshot, self._remembered = database, snapshot, remembered
        #: How often each source answered: ``database``, ``snapshot``, ``disk``, ``nothing``.
        self.answered: Counter[str] = Counter()

    def __call__(self, uses: Sequence[KernelUse], arch: CpuArch) -> dict[str, Choice]:
        """See `Lookup`."""
        choices, source = self._look(
            lambda store: StoreLookup(store)(uses, arch), lambda kept: kept(uses, arch)
        )
        if source == "database" and self._remembered is not None and choices:
            self._remembered.remember(choices, arch)
        return choices

    def records(self, workloads: Sequence[Workload], arch: CpuArch) -> dict[str, str]:
        """See `Lookup`."""
        return self._look(
            lambda store: StoreLookup(store).records(workloads, arch),
            lambda kept: kept.records(workloads, arch),
        )[0]

    def _look(
        self, ask: Callable[[Store], dict[str, T]], recall: Callable[[Lookup], dict[str, T]]
    ) -> tuple[dict[str, T], str]:
        """What the first source that answers knows, and which that is."""
        error = None
        for source, reach in (("database", self._database), ("snapshot", self._snapshot)):
            if reach is None:
                continue
            try:
                found = reach.ask(ask)
            except DatabaseUnavailable as unavailable:
                error = unavailable
                continue
            if error is not None:
                _log.warning("serving from the %s: %s", source, error)
            self.answered[source] += 1
            return found, source
        found = recall(self._remembered or NoRecords())
        source = "disk" if found else "nothing"
        self.answered[source] += 1
        _log.warning("serving %d kernels from earlier lookups: %s", len(found), error)
        return found, source
