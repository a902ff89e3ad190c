"""Code for the buckets of one graph: from the disk cache, or compiled by the best schedules."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import tvm

from db import CpuArch, Task, Workload
from runtime.blueprint import Blueprint
from runtime.cache import DiskCache, bucket_key, graph_key, workloads_key
from runtime.inputs import InputChecker
from runtime.lookup import Choice, Lookup
from runtime.making import KernelMaker
from runtime.program import Kernel, NotStraight, Program, ProgramCode, plan_program
from runtime.quarantine import Quarantine
from runtime.report import BucketReport, KernelReport
from runtime.threads import BUILDING, each
from runtime.timing import seconds_of
from runtime.vm import MachineCode, VirtualMachines, build_machine
from runtime.weights import PackedWeights
from tuner.arch import target_of
from tuner.graph.bucket import bucket_module, open_module
from tuner.graph.prepare import PreparedModel
from tuner.workloads import KernelUse, extract_workloads

#: Why the code that takes any batch is what it is.
OPEN_BATCH = "its batch is open"


@dataclass(frozen=True, slots=True)
class CompiledBucket:
    """Code for one batch size, shared by all threads."""

    batch: int
    runner: Program | VirtualMachines
    report: BucketReport
    #: Seconds of one call, measured when it was compiled.
    seconds: float
    #: What `runner` was loaded from.
    code: ProgramCode | MachineCode


@dataclass(frozen=True, slots=True)
class _Kept:
    """A bucket on disk."""

    code: ProgramCode | MachineCode
    report: BucketReport
    seconds: float


class BucketCompiler:
    """Compiles the buckets of one graph; any number of threads may use it.

    Parameters
    ----------
    count
        Called whenever a bucket is compiled, rather than read from disk.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        arch: CpuArch,
        lookup: Lookup,
        quarantine: Quarantine,
        cache: DiskCache,
        count: Callable[[], None],
    ) -> None:
        self._blueprint, self._arch, self._cache = blueprint, arch, cache
        self._lookup, self._quarantine, self._count = lookup, quarantine, count
        self._graph = graph_key(blueprint.model.digest)
        self._check = InputChecker(blueprint.model)
        self._target = target_of(arch)
        self._maker = KernelMaker(arch, quarantine)
        self._reading = threading.Lock()
        self._prepared: PreparedModel | None = None
        #: Key and code of what was compiled here, until it is timed for good.
        self._fresh: dict[int, tuple[str, ProgramCode | MachineCode]] = {}

    def known(self, batches: Sequence[int]) -> dict[int, CompiledBucket]:
        """Buckets whose code is on disk, and rests on the records there are now."""
        parts = {b: self._cache.get(workloads_key(self._graph, b)) for b in batches}
        every = {w.digest: w for some in parts.values() for w in some or ()}
        records = self._lookup.records(list(every.values()), self._arch) if every else {}
        found = {}
        for batch, some in parts.items():
            if some is None:
                continue
            kept = self._cache.get(self._key(batch, some, records))
            if kept is not None:
                report = replace(kept.report, cached=True)
                runner = self._load(kept.code)
                found[batch] = CompiledBucket(batch, runner, report, kept.seconds, kept.code)
        return found

    def compile(self, batch: int, weights: PackedWeights) -> CompiledBucket:
        """Compile a bucket, unless another process has done so meanwhile.

        Parameters
        ----------
        weights
            What it is timed with.
        """
        with self._cache.making(workloads_key(self._graph, batch)):
            found = self.known([batch])
            return found[batch] if found else self._compile(batch, weights)

    def timed(self, bucket: CompiledBucket, weights: PackedWeights) -> CompiledBucket:
        """The same bucket, timed once more if it was compiled here: while nothing else compiles."""
        fresh = self._fresh.pop(bucket.batch, None)
        if fresh is None:
            return bucket
        seconds = seconds_of(bucket.runner, bucket.batch, weights, self._blueprint)
        self._cache.put(fresh[0], _Kept(fresh[1], bucket.report, seconds))
        if not self._fresh:
            self._maker.shared.clear()
        return replace(bucket, seconds=seconds)

    def renew(self, bucket: CompiledBucket, weights: PackedWeights) -> CompiledBucket:
        """The same bucket, compiled again if there are other schedules for it by now."""
        uses = extract_workloads(self._module(bucket.batch), tir=False)
        choices = self._choices(uses)
        known = {k.workload: k.schedule for k in bucket.report.kernels}
        if known == {u.workload.digest: _schedule_of(choices, u) for u in uses}:
            return bucket
        return self._compile(bucket.batch, weights)

    def open_batch(self) -> VirtualMachines:
        """Code that takes any batch, kernels unscheduled: quick to make, and slow."""
        prepared = self.prepared
        with BUILDING:
            mod = open_module(prepared)
        return build_machine(mod, None, self._target, OPEN_BATCH).load(self._check)

    def tasks(self, batch: int) -> list[Task]:
        """Workloads of a batch size, as the database stores them."""
        return [Task(use.workload, use.calls) for use in extract_workloads(self._module(batch))]

    @property
    def prepared(self) -> PreparedModel:
        """What buckets are made of; read when it is first needed."""
        with self._reading:
            if self._prepared is None:
                self._prepared = self._blueprint.prepared()
            return self._prepared

    def _module(self, batch: int) -> tvm.IRModule:
        prepared = self.prepared
        with BUILDING:
            return bucket_module(prepared, batch)

    def _choices(self, uses: Sequence[KernelUse]) -> dict[str, Choice]:
        choices = self._lookup(uses, self._arch)
        return {d: c for d, c in choices.items() if not self._quarantine.holds(c)}

    def _compile(self, batch: int, weights: PackedWeights) -> CompiledBucket:
        self._count()
        start = time.perf_counter()
        mod = self._module(batch)
        uses = extract_workloads(mod, tir=False)
        workloads = [use.workload for use in uses]
        # Asked first: should a record come in between, the next load finds it.
        key = self._key(batch, workloads, self._lookup.records(workloads, self._arch))
        code, kernels = self._generate(mod, uses, self._choices(uses), batch)
        runner = self._load(code)
        reason = runner.reason if isinstance(runner, VirtualMachines) else ""
        report = BucketReport(batch, kernels, time.perf_counter() - start, reason)
        seconds = seconds_of(runner, batch, weights, self._blueprint)
        self._cache.put(workloads_key(self._graph, batch), workloads)
        self._cache.put(key, _Kept(code, report, seconds))
        self._fresh[batch] = key, code
        return CompiledBucket(batch, runner, report, seconds, code)

    def _generate(
        self,
        mod: tvm.IRModule,
        uses: Sequence[KernelUse],
        choices: Mapping[str, Choice],
        batch: int,
    ) -> tuple[ProgramCode | MachineCode, tuple[KernelReport, ...]]:
        try:
            plan = plan_program(mod, self._blueprint.model, batch)
        except NotStraight as error:
            made = [self._maker.scheduled(u, choices.get(u.workload.digest)) for u in uses]
            for use, (func, _) in zip(uses, made, strict=True):
                for name in use.functions:
                    mod[name] = func.without_attr("global_symbol")
            code = build_machine(mod, batch, self._target, str(error))
            return code, tuple(report for _, report in made)

        def compiled(use: KernelUse) -> tuple[Kernel, KernelReport]:
            with_rows = frozenset.intersection(*map(plan.with_rows, use.functions))
            return self._maker.compiled(use, choices.get(use.workload.digest), batch, with_rows)

        # The longest first: nothing is left to do meanwhile when the last one starts.
        order = sorted(uses, key=lambda use: -len(use.text))
        built = dict(zip((u.workload.digest for u in order), each(compiled, order), strict=True))
        kernels = {name: built[u.workload.digest][0] for u in uses for name in u.functions}
        reports = tuple(built[use.workload.digest][1] for use in uses)
        return plan.build(kernels, self._maker.shared, self._target), reports

    def _load(self, code: ProgramCode | MachineCode) -> Program | VirtualMachines:
        return code.load() if isinstance(code, ProgramCode) else code.load(self._check)

    def _key(self, batch: int, workloads: Sequence[Workload], records: Mapping[str, str]) -> str:
        own = {w.digest: records[w.digest] for w in workloads if w.digest in records}
        return bucket_key(self._graph, batch, self._arch, own)


def _schedule_of(choices: Mapping[str, Choice], use: KernelUse) -> str:
    choice = choices.get(use.workload.digest)
    return "" if choice is None else choice.origin
