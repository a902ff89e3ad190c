"""Which bucket is compiled next."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence

_log = logging.getLogger(__name__)


class BuildOrder:
    """Buckets to be compiled, the hottest first.

    Parameters
    ----------
    batches
        Batch sizes of the buckets.
    traffic
        Share of the calls by batch size, as far as known beforehand.
    wait_for_all
        True if nothing is served before all are ready.
    """

    def __init__(
        self, batches: Sequence[int], traffic: Mapping[int, float], *, wait_for_all: bool
    ) -> None:
        self.all = tuple(sorted(set(batches)))
        self.wait_for_all = wait_for_all
        self._traffic = dict(traffic)
        self._open = list(self.all)
        self._taken: set[int] = set()
        self._failed: dict[int, str] = {}
        self._changed = threading.Condition()

    @property
    def pending(self) -> tuple[int, ...]:
        """Buckets that are not ready, and did not fail."""
        with self._changed:
            return tuple(sorted({*self._open, *self._taken}))

    @property
    def failed(self) -> dict[int, str]:
        """Why buckets could not be compiled, by batch size."""
        with self._changed:
            return dict(self._failed)

    def take(self, calls: Mapping[int, int]) -> int | None:
        """The bucket to be compiled next; None if each is ready or taken.

        Parameters
        ----------
        calls
            Calls so far by batch size; they count as much as the traffic known beforehand.
        """
        with self._changed:
            if not self._open:
                return None
            heat = self._heat(calls)
            batch = max(self._open, key=lambda b: (heat.get(b, 0.0), -b))
            self._open.remove(batch)
            self._taken.add(batch)
            return batch

    def done(self, batches: Iterable[int]) -> None:
        """Note that buckets are ready."""
        with self._changed:
            for batch in batches:
                self._taken.discard(batch)
                if batch in self._open:
                    self._open.remove(batch)
            self._changed.notify_all()

    def fail(self, batch: int, error: Exception) -> None:
        """Note that a bucket cannot be compiled: others serve its batches."""
        _log.error("bucket %d cannot be compiled: %s", batch, error)
        with self._changed:
            self._taken.discard(batch)
            self._failed[batch] = str(error)
            self._changed.notify_all()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is pending; False if something is by then."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open and not self._taken, timeout_s)

    def _heat(self, calls: Mapping[int, int]) -> dict[int, float]:
        """Share of the calls by the bucket that would take them."""
        heat: dict[int, float] = {}
        for shares in (self._traffic, calls):
            total = sum(shares.values()) or 1.0
            for batch, share in shares.items():
                bucket = next((b for b in self.all if b >= batch), self.all[-1])
                heat[bucket] = heat.get(bucket, 0.0) + share / total
        return heat
