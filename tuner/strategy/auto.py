"""The auto strategy: a template first, sketches where it leaves something to be won."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from db import ErrorKind, Measured
from tuner.strategy.base import Candidate, Outcome, Strategy
from tuner.strategy.progress import Progress

#: Sketches are worth their time where the best so far takes longer than the roofline times this.
ROOM = 1.25


class AutoStrategy(Strategy):
    """Searches a template until it has no news, then sketches, then what the template has left.

    Parameters
    ----------
    template
        Search of the workload's template, told of `known`.
    sketches
        Makes the other search, told of what it is given; called once, if it comes to that.
    own_template
        False for a workload that only has the template for everything: sketches come at once.
    roofline
        Seconds that no schedule can beat; None if unknown, and then only workloads without a
        template of their own are sketched.
    known
        What earlier campaigns measured, by candidate digest, the oldest first.
    """

    def __init__(
        self,
        template: Strategy,
        sketches: Callable[[Mapping[str, Measured]], Strategy],
        *,
        own_template: bool,
        roofline: float | None,
        known: Mapping[str, Measured],
    ) -> None:
        self._template, self._make_sketches = template, sketches
        self._sketches: Strategy | None = None
        self._own_template, self._roofline = own_template, roofline
        self._known = dict(known)
        #: Without a template of its own, nothing but the default schedule comes before sketches.
        self._started = bool(known)
        told = known.values()
        self._of_template = Progress.of(m.median for m in told if m.config is not None)
        self._of_sketches = Progress.of(m.median for m in told if m.config is None)

    @property
    def patience(self) -> int:
        """As long as each of the searches may go without news."""
        return self._template.patience * (1 + self._worth_sketching())

    def ask(self, count: int) -> list[Candidate]:
        """See `Strategy.ask`."""
        asked: list[Candidate] = []
        while len(asked) < count and (candidates := self._next().ask(1)):
            asked += candidates
            self._started = True
        return asked

    def _next(self) -> Strategy:
        """The search whose turn it is."""
        if self._template.remaining and not self._template_is_done():
            return self._template
        if self._worth_sketching():
            if self._sketches is None:
                self._sketches = self._make_sketches(self._known)
            tired = self._of_sketches.stale >= self._sketches.patience
            if self._sketches.remaining and not (tired and self._template.remaining):
                return self._sketches
        return self._template

    def _template_is_done(self) -> bool:
        if self._own_template:
            return self._of_template.stale >= self._template.patience
        return self._started

    def _worth_sketching(self) -> bool:
        best = self._of_template.best
        if not self._own_template:
            return True
        return self._roofline is not None and best is not None and best > ROOM * self._roofline

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `Strategy.tell`."""
        for outcome in outcomes:
            candidate, secs = outcome.candidate, outcome.secs
            error = None if secs is not None else str(ErrorKind.RUN_ERROR)
            self._known[candidate.digest] = Measured(
                candidate.digest, secs, error, candidate.config, candidate.trace
            )
            (self._of_sketches if candidate.config is None else self._of_template).note(secs)
            self._template.tell([outcome])
            if self._sketches is not None:
                self._sketches.tell([outcome])

    @property
    def remaining(self) -> int:
        """See `Strategy.remaining`; sketches count as one until they are made."""
        left = self._template.remaining
        if self._sketches is not None:
            return left + self._sketches.remaining
        return left + int(self._worth_sketching())
