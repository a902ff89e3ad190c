"""Asks one source after the other, and never waits long for any."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from db import CpuArch, DatabaseUnavailable, Store
from runtime.lookup.choice import Choice, Lookup, no_records
from runtime.lookup.reach import Reach
from runtime.lookup.remembered import RememberedChoices
from runtime.lookup.stored import StoreLookup
from tuner.workloads import KernelUse

_log = logging.getLogger(__name__)


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

        def look(store: Store) -> dict[str, Choice]:
            return StoreLookup(store)(uses, arch)

        try:
            choices = self._database.ask(look)
        except DatabaseUnavailable as error:
            return self._without(uses, arch, look, error)
        self.answered["database"] += 1
        if self._remembered is not None and choices:
            self._remembered.remember(choices, arch)
        return choices

    def _without(
        self,
        uses: Sequence[KernelUse],
        arch: CpuArch,
        look: Callable[[Store], dict[str, Choice]],
        error: DatabaseUnavailable,
    ) -> dict[str, Choice]:
        if self._snapshot is not None:
            try:
                choices = self._snapshot.ask(look)
            except DatabaseUnavailable as also:
                error = also
            else:
                _log.warning("serving from the snapshot: %s", error)
                self.answered["snapshot"] += 1
                return choices
        source: Lookup = self._remembered or no_records
        choices = source(uses, arch)
        self.answered["disk" if choices else "nothing"] += 1
        _log.warning("serving %d of %d kernels from earlier lookups: %s",
                     len(choices), len(uses), error)  # fmt: skip
        return choices
