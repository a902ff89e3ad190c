"""Which buckets a batch is run on."""

from __future__ import annotations

from collections.abc import Mapping

#: Batches up to this many of the largest bucket are planned exactly.
EXACT = 2
#: In place of a bucket: code that takes any batch.
OPEN = 0


class Planner:
    """Cuts batches into pieces so that they take the least time.

    Whether a rest is padded up to a bucket or split over smaller ones is a question of what the
    buckets cost, which no rule of sizes knows: it is answered by dynamic programming.

    Parameters
    ----------
    costs
        Seconds of one call by bucket.
    open_cost
        Seconds of a call of code that takes any batch, and of each row; None if there is none.
    """

    def __init__(
        self, costs: Mapping[int, float], open_cost: tuple[float, float] | None = None
    ) -> None:
        assert costs or open_cost is not None
        self._costs, self._open = dict(costs), open_cost
        self._best: list[tuple[float, int]] = [(0.0, 0)]
        if not costs:
            return
        self._largest = max(costs)
        #: The bucket whose rows are cheapest.
        self._cheapest = min(costs, key=lambda bucket: (costs[bucket] / bucket, bucket))
        #: For each batch, the least time and the bucket of its first piece.
        for batch in range(1, EXACT * self._largest + 1):
            self._best.append(
                min(
                    (cost + self._best[max(0, batch - bucket)][0], -bucket)
                    for bucket, cost in costs.items()
                )
            )

    def pieces(self, batch: int) -> list[tuple[int, int, int]]:
        """Cut a batch.

        Parameters
        ----------
        batch
            Rows, at least 1.

        Returns
        -------
        (first row, rows, bucket) of each piece, in order; one piece on `OPEN` where that is faster.
        """
        pieces = self._on_buckets(batch) if self._costs else []
        if self._open is not None:
            alone = self._open[0] + self._open[1] * batch
            if not pieces or alone < sum(self._costs[bucket] for _, _, bucket in pieces):
                return [(0, batch, OPEN)]
        return pieces

    def _on_buckets(self, batch: int) -> list[tuple[int, int, int]]:
        pieces = []
        start = 0
        while start < batch:
            rest = batch - start
            bucket = -self._best[rest][1] if rest < len(self._best) else self._cheapest
            rows = min(bucket, rest)
            pieces.append((start, rows, bucket))
            start += rows
        return pieces
