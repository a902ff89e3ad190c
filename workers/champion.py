"""The best record of a workload while it is tuned: only who wins in turns replaces it.

A single faster measurement proves little on a shared machine. Whoever looks faster than the
champion runs against it, A B A B …, and becomes the champion only if it wins by more than noise.
The default schedule is the first champion, so whatever is stored is never slower than it.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from db import BestRecord, CpuArch, Measurement, Promotion, Store
from tuner.measure import Builder, Measurer, RunResult

#: A challenger has to be faster by this much, relative.
NOISE = 0.01


@dataclass(slots=True)
class Champion:
    """The present best record of a workload."""

    #: Seconds per call, as stored.
    secs: float
    trace: str | None
    #: Seconds of the default schedule.
    default_secs: float | None
    #: Its code; built when the first challenger comes.
    code: str | None = None

    @classmethod
    def of(cls, record: BestRecord | None) -> Champion | None:
        """The champion that the database knows."""
        if record is None:
            return None
        return cls(record.run_secs, record.trace, record.default_secs)


class Ring:
    """Lets challengers run against the champion of one workload, and stores who wins."""

    def __init__(
        self,
        store: Store,
        builder: Builder,
        measurer: Measurer,
        arch: CpuArch,
        *,
        workload: str,
        tir: str,
        champion: Champion | None,
    ) -> None:
        self._store, self._builder, self._measurer = store, builder, measurer
        self._arch, self._workload, self._tir = arch, workload, tir
        self.champion = champion

    def challenge(self, measured: Measurement, code: str, ran: RunResult) -> bool:
        """Offer a stored measurement as the new best.

        Returns
        -------
        True if it is the champion now.
        """
        old = self.champion
        if old is None:
            return self._crown(measured, code, ran, ran.median, ran.median)
        if not ran.median < old.secs * (1.0 - NOISE):
            return False
        if old.code is None:
            old.code = self._builder.build(self._tir, self._arch, config=None, trace=old.trace).code
        if old.code is None:
            # The present record does not build any more: anything sound is better.
            return self._crown(measured, code, ran, ran.median, old.default_secs)
        before, after = self._measurer.compare(self._workload, self._tir, [old.code, code])
        if after.failure or not after.run_secs:
            return False
        if before.run_secs and not beats(after, before):
            return False
        # The new figure stands to the stored one as the two did in their common run: a host that
        # drifted meanwhile changes neither.
        ratio = after.median / before.median if before.run_secs else 1.0
        return self._crown(measured, code, after, old.secs * ratio, old.default_secs)

    def _crown(
        self,
        measured: Measurement,
        code: str,
        ran: RunResult,
        secs: float,
        default_secs: float | None,
    ) -> bool:
        stored = self._store.promote(
            Promotion(
                workload=self._workload,
                arch=measured.arch,
                toolchain=measured.toolchain,
                regime=measured.regime,
                measurement_uid=measured.uid,
                trace=measured.trace,
                config=measured.config,
                strategy=measured.strategy,
                run_secs_median=secs,
                default_secs=default_secs,
                validation={
                    "passed": True,
                    "largest_error": ran.error,
                    "turns": len(ran.run_secs),
                },
            ),
            # It may still wait to be written.
            measurements=[measured],
        )
        if stored:
            self.champion = Champion(secs, measured.trace, default_secs, code)
        return stored


def beats(new: RunResult, old: RunResult) -> bool:
    """True if `new` is faster than `old` by more than the noise of their common run."""
    return statistics.median(new.run_secs) < statistics.median(old.run_secs) * (1.0 - NOISE)
