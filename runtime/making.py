"""From a workload and what a lookup chose for it to a kernel's code."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import tvm

from db import CpuArch
from runtime.lookup import Choice
from runtime.program import Kernel, SharedKernels, Wanted, build_by_rows, build_kernel, by_rows
from runtime.quarantine import Quarantine
from runtime.report import KernelReport
from tuner.arch import simd_of, target_of
from tuner.errors import InvalidSchedule
from tuner.measure.compile import schedule
from tuner.templates import template_for
from tuner.workloads import KernelUse


class KernelMaker:
    """Schedules and compiles the kernels of one graph; any number of threads may use it."""

    def __init__(self, arch: CpuArch, quarantine: Quarantine) -> None:
        self._arch, self._quarantine = arch, quarantine
        self._target = target_of(arch)
        #: What buckets that are being compiled may have in common.
        self.shared = SharedKernels()

    def scheduled(
        self, use: KernelUse, choice: Choice | None
    ) -> tuple[tvm.tirx.PrimFunc, KernelReport]:
        """The function by its schedule, by the default one if that does not apply."""
        if choice is None:
            return self._schedule(use), _default(use)
        try:
            return self._by(use, choice), _chosen(use, choice)
        except InvalidSchedule as error:
            return self._schedule(use), self._refused(use, choice, error)

    def compiled(
        self, use: KernelUse, choice: Choice | None, batch: int, with_rows: Set[int]
    ) -> tuple[Kernel, KernelReport]:
        """The same as code: of this bucket's own, or shared with another one.

        Parameters
        ----------
        with_rows
            Positions of the parameters that have an example per row.
        """
        if choice is None:
            return self._by_template(use, None, batch, with_rows), _default(use)
        try:
            if choice.trace is None:
                kernel = self._by_template(use, choice, batch, with_rows)
            else:
                kernel = build_kernel(_symbol(use), self._by(use, choice), self._target)
            return kernel, _chosen(use, choice)
        except InvalidSchedule as error:
            refused = self._refused(use, choice, error)
            return self._by_template(use, None, batch, with_rows), refused

    def _by_template(
        self, use: KernelUse, choice: Choice | None, batch: int, with_rows: Set[int]
    ) -> Kernel:
        config = None if choice is None else choice.config
        if config is None:
            config = template_for(use.facts).default(use.facts, simd_of(self._arch))

        def make() -> Kernel:
            func = self._schedule(use) if choice is None else self._by(use, choice)
            shorter = by_rows(func, batch, with_rows)
            kernel = None
            if shorter is not None:
                kernel = build_by_rows(_symbol(use), shorter, self._target)
            return kernel or build_kernel(_symbol(use), func, self._target)

        shapes = tuple(tuple(shape) for shape in use.workload.shapes)
        knobs = tuple(sorted(config.items()))
        wanted = Wanted(batch, use.text, shapes, frozenset(with_rows), knobs)
        return self.shared.get(wanted, make)

    def _schedule(self, use: KernelUse) -> tvm.tirx.PrimFunc:
        return schedule(use.func, self._arch).mod["main"]

    def _by(self, use: KernelUse, choice: Choice) -> tvm.tirx.PrimFunc:
        return schedule(use.func, self._arch, config=choice.config, trace=choice.trace).mod["main"]

    def _refused(self, use: KernelUse, choice: Choice, error: InvalidSchedule) -> KernelReport:
        self._quarantine.add(use.workload.digest, choice, str(error))
        reason = f"its {choice.served_by} does not apply: {error}"
        return replace(_default(use), reason=reason)


def _symbol(use: KernelUse) -> str:
    """A name that no other function of any bucket has, and nothing in the C library."""
    return f"tunefleet_{use.functions[0]}_{use.workload.digest[:12]}"


def _default(use: KernelUse) -> KernelReport:
    workload = use.workload
    return KernelReport(workload.digest, workload.name, workload.op_kind, use.calls, "default")


def _chosen(use: KernelUse, choice: Choice) -> KernelReport:
    return replace(
        _default(use),
        served_by=choice.served_by,
        schedule=choice.origin,
        arch=choice.arch,
        expected_secs=choice.expected_secs,
        default_secs=choice.default_secs,
        strategy=choice.strategy,
        recorded_at=choice.recorded_at,
    )
