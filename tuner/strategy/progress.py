"""How a search is going: the best so far, and how long ago it was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: A candidate that is faster by less than this, relative, is no news.
NEWS = 0.01


@dataclass(slots=True)
class Progress:
    """What was told of one search."""

    #: Fastest median so far, in seconds; None while none ran.
    best: float | None = None
    #: Candidates told, failed ones too.
    told: int = 0
    #: Of those, since one was faster than all before it.
    stale: int = 0

    @classmethod
    def of(cls, medians: Iterable[float | None]) -> Progress:
        """Progress of a search that was told some medians, in order; None for failed ones."""
        progress = cls()
        for secs in medians:
            progress.note(secs)
        return progress

    def note(self, secs: float | None) -> None:
        """Take one more into account; None if it failed."""
        self.told += 1
        news = secs is not None and (self.best is None or secs < self.best * (1.0 - NEWS))
        self.stale = 0 if news else self.stale + 1
        if secs is not None and (self.best is None or secs < self.best):
            self.best = secs
