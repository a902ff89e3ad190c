"""The programs that rules derive from one function: to be sampled, mutated and replayed."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cached_property

import tvm
import tvm_ffi
from tvm import tirx
from tvm.s_tir import Schedule
from tvm.s_tir.schedule import Trace

from db import CpuArch
from tuner.measure.compile import trace_text
from tuner.sketch.context import mutated, new_context
from tuner.sketch.rules import mutators
from tuner.sketch.vectors import with_whole_vectors
from tuner.templates.blocks import VECTOR, children, has_blocks, has_reduction
from tuner.templates.fallbacks import first_line

#: Every reduction multiplies the sketches by the ways to tile it; beyond these they are too many.
MAX_REDUCTIONS = 4
#: Largest seed that TVM's generator takes.
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class Program:
    """One schedule: a sketch with all its choices made."""

    sch: Schedule
    #: Equal for programs that are the same code, however they were reached; of this process.
    key: int

    @classmethod
    def of(cls, sch: Schedule) -> Program:
        """What a schedule makes of its function."""
        return cls(sch, int(tvm_ffi.structural_hash(sch.mod)))

    @property
    def mod(self) -> tvm.IRModule:
        """The scheduled function."""
        return self.sch.mod

    @property
    def genes(self) -> Trace:
        """All steps, choices included."""
        return self.sch.trace

    @cached_property
    def trace(self) -> str:
        """The same as JSON text, to be replayed without rules or seeds."""
        return trace_text(self.sch.trace)

    @property
    def mutable(self) -> bool:
        """True if it has choices; a template's schedule has none."""
        return any(str(i.kind.name).startswith("Sample") for i in self.genes.insts)


class SketchSpace:
    """Sketches of one function on one CPU architecture.

    Parameters
    ----------
    func
        The unscheduled function.

    Notes
    -----
    Everything follows from the arguments: no method depends on the calls before it.
    """

    def __init__(self, func: tirx.PrimFunc, arch: CpuArch) -> None:
        self._mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
        self._arch = arch
        self.context = new_context(self._mod, arch)
        self._mutators = mutators()
        for mutator, _ in self._mutators:
            mutator._initialize_with_tune_context(self.context)
        #: Why there are no sketches; empty if there are.
        self.reason = self._unfit()
        #: Schedules with their choices left open.
        self.sketches: tuple[Trace, ...] = () if self.reason else self._derived()

    def _unfit(self) -> str:
        sch = Schedule(self._mod, debug_mask="none")
        if not has_blocks(sch):
            return "it is one opaque block"
        reductions = sum(has_reduction(sch, block) for block in children(sch))
        if reductions > MAX_REDUCTIONS:
            return f"{reductions} reductions, of which each multiplies the sketches"
        return ""

    def _derived(self) -> tuple[Trace, ...]:
        try:
            designs = self.context.generate_design_space()
        except Exception as error:  # Rules raise whatever TVM raises.
            self.reason = f"no rule applies: {first_line(error)}"
            return ()
        return tuple(Trace(design.trace.insts, {}) for design in designs)

    def sample(self, sketch: int, seed: int, *, whole_vectors: bool = False) -> Program | None:
        """A sketch with every choice drawn at random; None if that makes no valid program.

        Parameters
        ----------
        whole_vectors
            Mend the tiles that fill no vector.
        """
        drawn = self._made(self.sketches[sketch], seed)
        if drawn is None or not whole_vectors:
            return drawn
        return self._made(with_whole_vectors(drawn.genes, VECTOR), seed)

    def mutate(self, program: Program, rng: random.Random) -> Program | None:
        """A program with one choice changed; None if that makes no valid program."""
        kinds, weights = zip(*self._mutators, strict=True)
        (mutator,) = rng.choices(kinds, weights)
        seed = rng.randrange(1, _MAX_SEED)
        genes = mutated(mutator, program.genes, seed)
        return None if genes is None else self._made(genes, seed)

    def replay(self, trace: str) -> Program | None:
        """The program of a trace; None if it does not apply."""
        sch = Schedule(self._mod, debug_mask="none")
        try:
            Trace.apply_json_to_schedule(json.loads(trace), sch)
        except Exception:  # Whatever TVM raises: the trace is of another toolchain.
            return None
        return Program.of(sch)

    def _made(self, genes: Trace, seed: int) -> Program | None:
        sch = Schedule(self._mod, seed=seed, debug_mask="none")
        try:
            genes.apply_to_schedule(sch, remove_postproc=True)
            sch.enter_postproc()
            if not all(p.apply(sch) for p in self.context.space_generator.postprocs):
                return None
        except Exception:  # Choices that do not go together; the search tries others.
            return None
        return Program.of(sch)
