"""Schedules from the log database; one of an architecture that cannot run here is never used."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence

import tvm
import tvm_ffi

from db import BestRecord, CpuArch, Lesson, Store, Workload
from runtime.lookup.choice import Choice, ServedBy, origin_of
from tuner.arch import runs_on, simd_of, toolchain
from tuner.templates import template_for
from tuner.workloads import KernelUse

#: Workloads of the same operator, nearest in size, among which a neighbour is looked for.
_NEAREST = 16


class StoreLookup:
    """Looks schedules up in one store: a read for the exact ones, a few more for what they miss.

    Raises what the store raises; see `runtime.lookup.FallbackLookup`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, uses: Sequence[KernelUse], arch: CpuArch) -> dict[str, Choice]:
        """See `Lookup`."""
        known = {use.workload.digest: use for use in uses}
        choices = self._confirmed(self._recorded(list(known), arch), known)
        for digest, use in known.items():
            if digest not in choices:
                neighbour = self._neighbour(use, arch)
                if neighbour is not None:
                    choices[digest] = neighbour
        return choices

    def records(self, workloads: Sequence[Workload], arch: CpuArch) -> dict[str, str]:
        """See `Lookup`."""
        choices = self._recorded([w.digest for w in workloads], arch)
        origins = {digest: choice.origin for digest, choice in choices.items()}
        for workload in workloads:
            lesson = None if workload.digest in origins else self._lesson(workload, arch)
            if lesson is not None:
                origins[workload.digest] = _origin(lesson)
        return origins

    def _recorded(self, digests: Sequence[str], arch: CpuArch) -> dict[str, Choice]:
        """Records of this architecture, and those of others that stand in for them."""
        found = self._records(list(digests), arch.name)
        choices = {d: _choice("record", record) for d, record in found.items()}
        return choices | self._compatible([d for d in digests if d not in choices], arch)

    def _records(self, digests: list[str], arch: str) -> Mapping[str, BestRecord]:
        return self._store.best_records(digests, arch, toolchain().key) if digests else {}

    def _compatible(self, missing: list[str], arch: CpuArch) -> dict[str, Choice]:
        """The fastest record of any architecture whose instructions `arch` has."""
        best: dict[str, BestRecord] = {}
        others = self._store.archs() if missing else []
        for other in others:
            if other.name == arch.name or not runs_on(other, arch):
                continue
            for digest, record in self._records(missing, other.name).items():
                if digest not in best or record.run_secs < best[digest].run_secs:
                    best[digest] = record
        return {digest: _choice("compatible", record) for digest, record in best.items()}

    def _confirmed(
        self, choices: dict[str, Choice], known: Mapping[str, KernelUse]
    ) -> dict[str, Choice]:
        """A digest is a name; that it names this very function is confirmed."""
        stored = self._store.workloads(list(choices)) if choices else {}
        return {
            digest: choice
            for digest, choice in choices.items()
            if tvm_ffi.structural_equal(tvm.ir.load_json(stored[digest].tir), known[digest].func)
        }

    def _neighbour(self, use: KernelUse, arch: CpuArch) -> Choice | None:
        """The best configuration of the same operator at the nearest batch, brought to this one."""
        lesson = self._lesson(use.workload, arch)
        config = None if lesson is None else _adapted(use, arch, lesson.config)
        if lesson is None or config is None:
            return None
        return Choice("neighbour", arch.name, None, config=config, origin=_origin(lesson))

    def _lesson(self, workload: Workload, arch: CpuArch) -> Lesson | None:
        """What was measured best of the same operator at the nearest batch."""
        lessons = [
            lesson
            for lesson in self._store.lessons(workload.op_kind, workload.flops, workloads=_NEAREST)
            if lesson.arch == arch.name
            and lesson.toolchain == toolchain().key
            and lesson.median is not None
            and lesson.workload != workload.digest
        ]
        nearby = self._store.workloads(sorted({lesson.workload for lesson in lessons}))
        alike = {d: w for d, w in nearby.items() if _same_but_batch(w.shapes, workload.shapes)}
        if not alike:
            return None
        nearest = min(alike, key=lambda d: (_ratio(alike[d].flops, workload.flops), d))
        of_nearest = (n for n in lessons if n.workload == nearest)
        return min(of_nearest, key=lambda n: n.median or math.inf)


def _origin(lesson: Lesson) -> str:
    return origin_of(json.dumps([lesson.workload, dict(lesson.config)], sort_keys=True))


def _choice(served_by: ServedBy, record: BestRecord) -> Choice:
    return Choice(
        served_by,
        record.arch,
        record.run_secs,
        trace=record.trace,
        default_secs=record.default_secs,
        strategy=record.strategy,
        recorded_at=record.recorded_at.isoformat(),
        measurement=record.measurement_uid,
        origin=origin_of(record.trace or ""),
    )


def _same_but_batch(one: Sequence[Sequence[int]], other: Sequence[Sequence[int]]) -> bool:
    """True if tensors differ in their first extents alone, all of which are the batch."""
    if len(one) != len(other) or any(len(a) != len(b) for a, b in zip(one, other, strict=True)):
        return False
    differ = [(a[0], b[0]) for a, b in zip(one, other, strict=True) if list(a) != list(b) and a]
    rest = all(list(a)[1:] == list(b)[1:] for a, b in zip(one, other, strict=True))
    return rest and len(set(differ)) == 1


def _ratio(one: float, other: float) -> float:
    """How many times the larger is the smaller, as a logarithm."""
    return abs(math.log(max(one, 1.0)) - math.log(max(other, 1.0)))


def _adapted(use: KernelUse, arch: CpuArch, config: Mapping[str, int]) -> dict[str, int] | None:
    """The configuration of this workload's space that is nearest to another one's."""
    template, simd = template_for(use.facts), simd_of(arch)
    configs: Iterable[dict[str, int]] = template.space(use.facts, simd).configs
    # Two templates may serve one kind of operator: a configuration of the other means nothing.
    fitting = [c for c in configs if set(c) == set(config)]
    return min(fitting, key=lambda c: _distance(c, config), default=None)


def _distance(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    return sum(_ratio(1.0 + one[knob], 1.0 + other[knob]) for knob in one)
