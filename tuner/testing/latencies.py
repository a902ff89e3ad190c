"""Where a fake measurer has its latencies from: a recording, or an invented landscape."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from db import ErrorKind, Measured, Store
from tuner.measure import Failure

#: Word that marks a trace as one of the fake builder's.
_FAKE = "fake"


def fake_trace(config: Mapping[str, Any]) -> str:
    """A stand-in for the trace of a template configuration; it names the configuration."""
    return json.dumps([_FAKE, dict(sorted(config.items()))])


def config_of(trace: str) -> dict[str, int] | None:
    """The configuration that a fake trace names; None for a real trace."""
    try:
        held = json.loads(trace)
    except json.JSONDecodeError:
        return None
    if isinstance(held, list) and len(held) == 2 and held[0] == _FAKE:
        return dict(held[1])
    return None


class Latencies(ABC):
    """Says how long a candidate takes. Contract: the same candidate, the same answer."""

    @abstractmethod
    def secs(self, workload: str, trace: str) -> float | Failure:
        """Seconds per call, or why there are none.

        Parameters
        ----------
        workload
            Digest of the workload.
        trace
            As a `FakeBuilder` makes it.
        """


class RecordedLatencies(Latencies):
    """What was measured before, again; a candidate that was not is a failure that says so."""

    def __init__(self, measured: Mapping[str, Iterable[Measured]]) -> None:
        self._known: dict[tuple[str, str], float | Failure] = {}
        for workload, all_of_it in measured.items():
            for one in all_of_it:
                told = self._told(one)
                if one.config is not None:
                    self._known[workload, fake_trace(one.config)] = told
                if one.trace is not None:
                    self._known[workload, one.trace] = told

    @staticmethod
    def _told(measured: Measured) -> float | Failure:
        if measured.median is not None:
            return measured.median
        return Failure(ErrorKind(measured.error_kind or ErrorKind.RUN_ERROR), "failed as recorded")

    @classmethod
    def of_store(cls, store: Store, arch: str, toolchain: str) -> RecordedLatencies:
        """Everything a database has of a CPU architecture and a toolchain (its key)."""
        digests = {digest for digest, key in store.measured_keys(arch) if key == toolchain}
        return cls({d: list(store.measured(d, arch, toolchain).values()) for d in sorted(digests)})

    def secs(self, workload: str, trace: str) -> float | Failure:
        """See `Latencies.secs`."""
        unknown = Failure(ErrorKind.RUN_ERROR, "this candidate is not in the recording")
        return self._known.get((workload, trace), unknown)


class SyntheticLatencies(Latencies):
    """An invented landscape: smooth in the logarithm of each knob, alike for all workloads.

    Each knob has a best value, common to all workloads but for a small shift, and a latency that
    grows with the distance from it; pairs of knobs interact a little; a ripple that depends on the
    candidate alone makes neighbours differ.

    Parameters
    ----------
    seed
        Another seed is another landscape.
    failing
        Part of the candidates that fail, in ``[0, 1]``.
    """

    def __init__(self, seed: int = 0, *, failing: float = 0.0) -> None:
        self._seed, self._failing = seed, failing

    def secs(self, workload: str, trace: str) -> float | Failure:
        """See `Latencies.secs`."""
        config = config_of(trace)
        if self._share("fails", workload, trace) < self._failing:
            return Failure(ErrorKind.BUILD_ERROR, "this candidate was chosen to fail")
        if config is None:
            slowdown = 1.0 + self._share("sketch", workload, trace)
        else:
            slowdown = self._slowdown(workload, config)
        ripple = 0.02 * self._share("ripple", workload, trace)
        return 1e-6 * (1.0 + 99.0 * self._share(workload)) * (slowdown + ripple)

    def _slowdown(self, workload: str, config: Mapping[str, int]) -> float:
        names = sorted(config)
        away = {name: self._distance(workload, name, config[name]) for name in names}
        own = sum((0.1 + 0.3 * self._share("weight", n)) * away[n] ** 2 for n in names)
        pairs = itertools.pairwise(names)
        return 1.0 + own + sum(0.05 * away[a] * away[b] for a, b in pairs if away[a] < away[b])

    def _distance(self, workload: str, knob: str, value: int) -> float:
        best = 3.0 * self._share("best", knob) + 0.5 * self._share("shift", workload, knob)
        return abs(math.log2(1 + abs(value)) - best)

    def _share(self, *parts: str) -> float:
        """A number in [0, 1) that depends on nothing but the seed and the parts."""
        text = "/".join((str(self._seed), *parts))
        return random.Random(hashlib.sha256(text.encode()).digest()).random()
