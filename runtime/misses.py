"""What serving lacked: buckets without records, and batch sizes without a bucket.

They become jobs of low priority in the database, for the next night; see `db.MISSED`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from db import MISSED, CampaignSpec, CpuArch, JobSpec, ModelVersion, Store, Task
from runtime.blueprint import Blueprint
from runtime.plan import OPEN
from runtime.served import Served
from tuner.arch import toolchain

#: Calls that a batch size needs to be worth a job.
_LEAST_CALLS = 100
#: Batch sizes without a bucket that become jobs: the hottest ones.
_MOST_NEW = 4
#: Candidates of all jobs of a model together, and of each at least.
_TRIALS, _LEAST_TRIALS = 512, 32


@dataclass(frozen=True, slots=True)
class Miss:
    """A batch size to be tuned."""

    batch: int
    #: Calls that it would have served better.
    calls: int
    #: Why: kernels without a record, or no bucket at all.
    reason: str


def misses_of(served: Served, calls: Mapping[int, int]) -> list[Miss]:
    """What a model lacked, the most missed first.

    Parameters
    ----------
    calls
        Calls so far by batch size.
    """
    untuned = {
        batch: sum(kernel.served_by != "record" for kernel in bucket.report.kernels)
        for batch, bucket in served.buckets.items()
    }
    hits: Counter[int] = Counter()
    new: Counter[int] = Counter()
    for batch, count in calls.items():
        used = {bucket for _, _, bucket in served.planner.pieces(batch)} - {OPEN}
        # A bucket that the plan avoids for its own batch size, being slow, misses its records most.
        for bucket in used | ({batch} & served.buckets.keys()):
            hits[bucket] += count
        if batch not in served.buckets:
            new[batch] += count
    found = [
        Miss(batch, hits[batch], f"{kernels} kernels without a record")
        for batch, kernels in untuned.items()
        if kernels
    ]
    found += [Miss(batch, n, "no bucket of its own") for batch, n in new.most_common(_MOST_NEW)]
    return sorted(
        (miss for miss in found if miss.calls >= _LEAST_CALLS), key=lambda m: (-m.calls, m.batch)
    )


@dataclass(frozen=True, slots=True)
class Missed:
    """All that a model lacked, with what the database has to know of it."""

    blueprint: Blueprint
    misses: Sequence[Miss]
    #: Workloads by batch size.
    tasks: Mapping[int, Sequence[Task]]

    def queue(self, store: Store, arch: CpuArch) -> int:
        """Queue a job for each miss, below every other job.

        Processes that miss the same within an hour queue it once.

        Returns
        -------
        The campaign.
        """
        store.add_arch(arch)
        store.add_toolchain(toolchain())
        name, version = _version(store, self.blueprint, self.misses)
        for batch, tasks in self.tasks.items():
            store.set_tasks(version, arch.name, batch, tasks)
        total = sum(miss.calls for miss in self.misses)
        jobs = [
            JobSpec(
                version,
                arch.name,
                miss.batch,
                priority=-1 - place,
                trials=max(_LEAST_TRIALS, round(_TRIALS * miss.calls / total)),
            )
            for place, miss in enumerate(self.misses)
        ]
        key = f"{MISSED}{name}/{arch.name}/{store.now():%Y-%m-%dT%H}"
        spec = CampaignSpec(f"missed by {name}", "auto", trials=_LEAST_TRIALS, key=key)
        return store.create_campaign(spec, jobs)


def _version(store: Store, blueprint: Blueprint, misses: Sequence[Miss]) -> tuple[str, int]:
    """The model of this graph, added under its file's name if nobody has added it."""
    model = blueprint.model
    for known in store.models():
        if known.digest == model.digest:
            return known.model, known.id
    name = Path(model.source).stem
    total = sum(miss.calls for miss in misses)
    version = ModelVersion(
        model=name,
        digest=model.digest,
        source=str(Path(model.source).resolve()),
        input_schema={s.name: f"{s.dtype}[{', '.join(map(str, s.shape))}]" for s in model.inputs},
        traffic={miss.batch: miss.calls / total for miss in misses},
    )
    return name, store.add_model_version(version)
