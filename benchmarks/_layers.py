"""Single kernels as workloads of a model of their own, so that a campaign can tune them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import tvm
from tvm import te

from db import CampaignSpec, CpuArch, JobSpec, ModelVersion, Store, Task, Workload
from tuner.measure import MeasureOptions
from tuner.ops import dense, packed_shape
from tuner.workloads.digest import function_digest, normalise
from tuner.workloads.facts import facts_of
from workers import LocalTools, serve_campaign


class Tunable(Protocol):
    """One cell of a table: a kernel at one batch size."""

    @property
    def batch(self) -> int:
        """Rows of the input."""

    @property
    def flops(self) -> float:
        """Operations of a call."""

    def workload(self) -> Workload:
        """The kernel as the database knows it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One cell of the table: ``relu(x @ w^T + b)``."""

    #: Rows of `x`.
    batch: int
    #: Inputs.
    k: int
    #: Outputs.
    n: int

    @property
    def flops(self) -> float:
        """Of the product alone, an FMA counted as two."""
        return 2.0 * self.batch * self.k * self.n

    @property
    def nbytes(self) -> float:
        """Bytes of all arguments."""
        return 4.0 * (self.batch * (self.k + self.n) + self.n * (self.k + 1))

    def function(self) -> tvm.tirx.PrimFunc:
        """The layer as the importer makes it."""
        x = te.placeholder((self.batch, self.k), name="x")
        w = te.placeholder(packed_shape(self.n, self.k), name="w")
        b = te.placeholder((self.n,), name="b")
        y = dense(x, w, self.n)
        shape = (self.batch, self.n)
        biased = te.compute(shape, lambda i, j: b[j] + y[i, j], name="T_add")
        zero = tvm.tirx.const(0.0, "float32")
        out = te.compute(shape, lambda i, j: tvm.tirx.max(biased[i, j], zero), name="compute")
        return normalise(te.create_prim_func([x, w, b, out]).with_attr("tirx.noalias", True))

    def workload(self) -> Workload:
        """The layer as the database knows it."""
        func = self.function()
        facts = facts_of(func)
        return Workload(
            digest=function_digest(func),
            op_kind=facts.op_kind,
            name=facts.name,
            shapes=[list(a.shape) for a in facts.arguments],
            dtype="float32",
            flops=facts.flops,
            bytes=facts.bytes,
            tir=tvm.ir.save_json(func),
        )


def tune(
    store: Store,
    layers: Iterable[Tunable],
    arch: CpuArch,
    *,
    seconds: float,
    strategy: str,
    options: MeasureOptions,
) -> int:
    """Tune kernels for `seconds` each in a campaign; what the database knows is not measured again.

    Returns
    -------
    The campaign.
    """
    store.add_arch(arch)
    by_batch: dict[int, list[Tunable]] = {}
    for layer in layers:
        by_batch.setdefault(layer.batch, []).append(layer)
    text = repr(sorted(map(str, by_batch.values())))
    version = store.add_model_version(
        ModelVersion("layers", hashlib.sha256(text.encode()).hexdigest(), source="")
    )
    jobs = []
    for batch, some in by_batch.items():
        # Every cell of the table counts alike, however long it runs.
        tasks = [Task(layer.workload(), 1, weight=1e9 / max(1.0, layer.flops)) for layer in some]
        store.set_tasks(version, arch.name, batch, tasks)
        jobs.append(JobSpec(version, arch.name, batch))
    per_job = seconds * max(len(some) for some in by_batch.values())
    campaign = store.create_campaign(CampaignSpec("layers", strategy, seconds=per_job), jobs)
    serve_campaign(store, campaign, archs=[arch.name], tools=LocalTools(options, slots=1)())
    return campaign
