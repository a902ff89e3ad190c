"""Builds of a job: ahead of the measurements elsewhere, and in between on the slot's own core.

A build beside a measurement on the same core would double the latency that is measured; a slot
that waits for builds idles. So a slot that finds nothing built builds the next candidate itself,
and measures again when that is done: its core works either way, and never on both at once.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from db import CpuArch
from tuner.measure import Builder, BuildResult
from tuner.strategy import Candidate
from workers.task import TaskState
from workers.tools import Tools

#: Seconds that a slot waits for builds, in all, before it builds as well: as many as it takes to
#: start a compiler.
HELP_AFTER_S = 5.0


@dataclass(slots=True, eq=False)
class Planned:
    """A candidate on its way to the measuring core."""

    state: TaskState
    candidate: Candidate
    #: None until somebody builds it.
    build: Future[BuildResult] | None = None


class Ahead:
    """The candidates that are built, or about to be, before they are measured."""

    def __init__(self, arch: CpuArch, tools: Tools) -> None:
        self._arch, self._tools = arch, tools
        #: Builds that run at once beside the measurements.
        self.beside = 0 if tools.here is tools.builder else tools.builder.at_once
        self._pool = ThreadPoolExecutor(self.beside, "build") if self.beside else None
        self._waiting: deque[Planned] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, planned: Planned) -> None:
        """Have a candidate built."""
        if self._pool is not None:
            planned.build = self._pool.submit(self._make, self._tools.builder, planned)
        self._waiting.append(planned)

    def take(self) -> tuple[Planned, BuildResult]:
        """Remove a candidate that is built, the oldest if there are several; one must be there."""
        while True:
            for planned in self._waiting:
                if planned.build is not None and planned.build.done():
                    self._waiting.remove(planned)
                    return planned, planned.build.result()
            here = self._here()
            own = next((p for p in self._waiting if _untouched(p)), None) if here else None
            if here is not None and own is not None:
                self._waiting.remove(own)
                return own, self._make(here, own)
            start = time.monotonic()
            building = [p.build for p in self._waiting if p.build is not None]
            wait(building, return_when=FIRST_COMPLETED)
            self._tools.starved_s += time.monotonic() - start

    def _here(self) -> Builder | None:
        """What builds on the slot's own core, once that is worth its start."""
        wanted = self.beside == 0 or self._tools.starved_s > HELP_AFTER_S
        return self._tools.here if wanted else None

    def _make(self, builder: Builder, planned: Planned) -> BuildResult:
        return builder.build(
            planned.state.task.workload.tir,
            self._arch,
            config=planned.candidate.config,
            trace=planned.candidate.trace,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _untouched(planned: Planned) -> bool:
    """Whether nobody builds it yet; nobody else will, from now on."""
    return planned.build is None or planned.build.cancel()
