"""The ansor strategy: sketches derived from the function itself, and evolution over them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import tvm

from db import CpuArch, Measured
from tuner.arch import simd_of
from tuner.cost_model import CostModel
from tuner.errors import InvalidSchedule
from tuner.measure.compile import schedule, trace_text
from tuner.sketch import Evolution, EvolutionOptions, Lesson, Program, SketchSpace
from tuner.strategy.base import Candidate, Outcome, Strategy, config_digest
from tuner.strategy.searchers import seed_for
from tuner.templates import template_for
from tuner.templates.fallbacks import note_fallback
from tuner.workloads.facts import Facts

#: Candidates planned at a time: evolution costs as much for one as for many.
BATCH = 8
#: Candidates without news after which little is to be hoped for: some plans.
_PATIENCE = 5 * BATCH
#: Plans without a new candidate before the space counts as exhausted.
_PLANS = 3
#: Measurements of earlier campaigns that are learned from: the newest.
_LESSONS = 512


@dataclass(slots=True)
class _Told:
    """What is known of one candidate."""

    config: Mapping[str, int] | None
    trace: str | None
    secs: float | None


class AnsorStrategy(Strategy):
    """Tries the default schedule, and then programs that evolution proposes.

    Plans are made `BATCH` candidates at a time, each from what was told before it in whole
    batches: so a search that is cut and taken up again makes the same plans, and goes on in the
    middle of one.

    Parameters
    ----------
    tir
        The unscheduled function, TVM JSON text.
    known
        What earlier campaigns measured, by candidate digest, the oldest first. Whatever strategy it
        is of, it is learned from; sketches among it have children.
    model
        What other workloads taught.
    options
        How much is bred for one plan.
    """

    def __init__(
        self,
        workload: str,
        facts: Facts,
        arch: CpuArch,
        *,
        tir: str,
        seed: int = 0,
        known: Mapping[str, Measured] | None = None,
        model: CostModel | None = None,
        options: EvolutionOptions = EvolutionOptions(),
    ) -> None:
        template = template_for(facts)
        config = template.default(facts, simd_of(arch))
        #: The schedule that tuning starts from; the same candidate as autotvm's.
        self.default = Candidate(
            config_digest(workload, template.name, config), config, strategy="ansor"
        )
        self._workload, self._facts, self._arch, self._tir = workload, facts, arch, tir
        self._seed, self._model, self._options = seed_for(seed, workload), model, options
        self._told = {d: _Told(m.config, m.trace, m.median) for d, m in (known or {}).items()}
        self._untried_default = self.default.digest not in self._told
        self._out: dict[str, Candidate] = {}
        self._queue: list[Candidate] = []
        self._programs: dict[str, Program | None] = {}
        self._search: Evolution | None = None
        self._exhausted = False

    def ask(self, count: int) -> list[Candidate]:
        """See `Strategy.ask`."""
        asked: list[Candidate] = []
        while len(asked) < count and self.remaining:
            if self._untried_default:
                self._untried_default = False
                asked.append(self.default)
            else:
                asked.append(self._queue.pop(0))
            self._out[asked[-1].digest] = asked[-1]
        return asked

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """See `Strategy.tell`."""
        for outcome in outcomes:
            candidate = outcome.candidate
            self._out.pop(candidate.digest, None)
            self._told[candidate.digest] = _Told(candidate.config, candidate.trace, outcome.secs)
            self._untried_default &= candidate.digest != self.default.digest
        self._queue = [c for c in self._queue if c.digest not in self._told]

    @property
    def remaining(self) -> int:
        """Candidates that are planned; as long as it is not 0, more follow when they are asked."""
        if not (self._untried_default or self._queue or self._exhausted):
            self._plan()
        return len(self._queue) + self._untried_default

    @property
    def patience(self) -> int:
        """The first plan is drawn at random, and mostly shows what not to do."""
        return _PATIENCE

    @property
    def rejected(self) -> Mapping[str, int]:
        """Candidates turned down before LLVM saw them, by reason."""
        return {} if self._search is None else dict(self._search.rejected)

    def _plan(self) -> None:
        """Fill the queue; without a new candidate the search is over."""
        sketched = sum(told.config is None for told in self._told.values())
        turn = (sketched + sum(c.config is None for c in self._out.values())) // BATCH
        search = self._search = self._search or self._evolution()
        if search is None:
            self._exhausted = True
            return
        for attempt in range(_PLANS):
            lessons = list(self._lessons(turn * BATCH))
            for program in search.propose(BATCH, (turn, attempt), lessons):
                candidate = self._candidate(program)
                if candidate.digest not in self._told and candidate.digest not in self._out:
                    self._programs[candidate.digest] = program
                    self._queue.append(candidate)
            if self._queue:
                return
        self._exhausted = True

    def _evolution(self) -> Evolution | None:
        space = SketchSpace(tvm.ir.load_json(self._tir), self._arch)
        if space.reason:
            note_fallback("ansor", f"{self._facts.name}: {space.reason}")
            return None
        return Evolution(
            space, simd_of(self._arch), self._seed, prior=self._model, options=self._options
        )

    def _candidate(self, program: Program) -> Candidate:
        text = json.dumps([self._workload, program.trace])
        digest = hashlib.sha256(text.encode()).hexdigest()
        return Candidate(digest, None, program.trace, "ansor")

    def _lessons(self, sketched: int) -> Iterator[Lesson]:
        """What was told, up to a number of sketches; what does not apply teaches nothing."""
        for digest, told in list(self._told.items())[-_LESSONS:]:
            if told.config is None:
                if sketched == 0:
                    return
                sketched -= 1
            program = self._program(digest, told)
            if program is not None:
                yield Lesson(program, told.secs)

    def _program(self, digest: str, told: _Told) -> Program | None:
        if digest not in self._programs:
            self._programs[digest] = self._replayed(told)
        return self._programs[digest]

    def _replayed(self, told: _Told) -> Program | None:
        assert self._search is not None
        trace = told.trace
        if told.config is not None:
            func = tvm.ir.load_json(self._tir)
            try:
                trace = trace_text(schedule(func, self._arch, config=told.config).trace)
            except InvalidSchedule:
                return None
        return None if trace is None else self._search.space.replay(trace)
