"""A store with dense layers to tune, and jobs run on fakes: no compiler, no clock."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import tvm
from tvm import te

from db import CampaignSpec, JobSpec, ModelVersion, Store, Task, Workload
from db.testing.builders import ARCH, workload
from tuner.ops import dense, packed_shape
from tuner.testing import FakeBuilder, FakeMeasurer, Latencies, SyntheticLatencies
from tuner.workloads.digest import function_digest, normalise
from tuner.workloads.facts import facts_of
from workers.job import run_job
from workers.tools import Tools


@functools.cache
def dense_workload(batch: int, outputs: int, depth: int) -> Workload:
    """A dense layer as a model has it."""
    x = te.placeholder((batch, depth), name="x")
    w = te.placeholder(packed_shape(outputs, depth), name="w")
    function = normalise(te.create_prim_func([x, w, dense(x, w, outputs)]))
    facts = facts_of(function)
    return workload(
        digest=function_digest(function),
        op_kind=facts.op_kind,
        name=facts.name,
        flops=facts.flops,
        bytes=facts.bytes,
        tir=tvm.ir.save_json(function),
    )


def small_layers() -> list[Task]:
    """Two layers, one of which counts much more."""
    return [
        Task(dense_workload(16, 128, 64), calls=4),
        Task(dense_workload(16, 64, 128), calls=1),
    ]


@dataclass(frozen=True, slots=True)
class Fleet:
    """A store, and latencies that its jobs are told."""

    store: Store
    latencies: Latencies = SyntheticLatencies(1)

    def add_model(self, tasks: list[Task], *, bucket: int = 16) -> int:
        """A model with one bucket."""
        self.store.add_arch(ARCH)
        version = self.store.add_model_version(ModelVersion("mlp", "0" * 64, "mlp.pt2"))
        self.store.set_tasks(version, ARCH.name, bucket, tasks)
        return version

    def campaign(self, version: int, *, bucket: int = 16, **changes: object) -> FakeMeasurer:
        """Run a campaign of one job to its end; return the measurer that it used."""
        spec = replace(CampaignSpec("night", "autotvm", trials=1000), **changes)  # type: ignore[arg-type]
        campaign = self.store.create_campaign(spec, [JobSpec(version, ARCH.name, bucket)])
        lease = self.store.claim_job("w", campaign_id=campaign)
        assert lease is not None
        measurer = FakeMeasurer(self.latencies)
        run_job(self.store, lease, Tools(FakeBuilder(), measurer))
        return measurer
