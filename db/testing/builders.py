"""Small valid values, for tests that care about one field of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from db.domain.catalog import CpuArch, ModelVersion, Task, Toolchain, Workload
from db.domain.jobs import CampaignSpec, JobSpec, Lease
from db.domain.measurements import Measurement, Promotion, measurement_uid
from db.domain.retry import RetryPolicy
from db.store.base import Store

ARCH = CpuArch("znver4", "x86-64-v4", ("avx512f", "avx512bw"))
OTHER_ARCH = CpuArch("haswell", "x86-64-v3", ("avx2", "fma"))
TOOLCHAIN = Toolchain(tvm="0.27", llvm="22.1", templates="1")
OTHER_TOOLCHAIN = Toolchain(tvm="0.28", llvm="22.1", templates="1")

#: Retries at once, so that tests do not wait.
AT_ONCE = RetryPolicy(max_failures=3, backoff_s=0.0)


def digest(*parts: object) -> str:
    """A SHA-256 (hex) of anything."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def workload(number: int = 0, **changes: Any) -> Workload:
    """The `number`-th workload."""
    made = Workload(
        digest=digest("workload", number),
        op_kind="dense",
        name=f"dense 16x64x{number + 1} float32",
        shapes=[[16, 64], [64, number + 1]],
        dtype="float32",
        flops=2.0 * 16 * 64 * (number + 1),
        bytes=4.0 * (16 * 64 + 65 * (number + 1)),
        tir='{"root_index": 1}',
    )
    return replace(made, **changes)


def measurement(
    number: int = 0,
    *,
    job_id: int | None = None,
    attempt: int = 1,
    secs: float | None = 1e-5,
    **changes: Any,
) -> Measurement:
    """Measurement of the `number`-th candidate; an error if `secs` is ``None``."""
    candidate = digest("candidate", number)
    made = Measurement(
        uid=measurement_uid(job_id or 0, attempt, candidate, changes.get("regime", "warm")),
        job_id=job_id,
        attempt=attempt,
        workload=workload().digest,
        arch=ARCH.name,
        toolchain=TOOLCHAIN.key,
        candidate=candidate,
        strategy="autotvm",
        config={"tile": number},
        trace=f'[[["Split",{number}]],[]]',
        run_secs=() if secs is None else (secs, secs * 1.01, secs * 1.02),
        error_kind="build_error" if secs is None else None,
        error_text="LLVM refused" if secs is None else None,
        host="host1",
        cpu="EPYC 9R14",
        core=3,
        calibration={"fma_gflops": 118.0, "read_gbs_4MiB": 21.5},
        build_secs=0.4,
    )
    return replace(made, **changes)


def promotion(of: Measurement, **changes: Any) -> Promotion:
    """Promotion of a valid measurement."""
    assert of.median is not None
    made = Promotion(
        workload=of.workload,
        arch=of.arch,
        toolchain=of.toolchain,
        regime=of.regime,
        measurement_uid=of.uid,
        trace=of.trace,
        config=of.config,
        strategy=of.strategy,
        run_secs_median=of.median,
        default_secs=1e-3,
        validation={"passed": True, "max_abs_error": 1e-6},
    )
    return replace(made, **changes)


@dataclass(frozen=True, slots=True)
class World:
    """A store with something in it."""

    store: Store
    #: A model version with one task in bucket 16 on `ARCH`.
    model_version: int

    def campaign(self, *buckets: int, arch: str = ARCH.name, **changes: Any) -> int:
        """Create a campaign with a job per bucket."""
        spec = CampaignSpec(name="nightly", strategy="auto", trials=64, retry=AT_ONCE)
        jobs = [JobSpec(self.model_version, arch, bucket) for bucket in buckets or (16,)]
        return self.store.create_campaign(replace(spec, **changes), jobs)

    def lease(self, worker: str = "w1", lease_s: float = 3600.0) -> Lease:
        """Claim the next job, which must exist."""
        lease = self.store.claim_job(worker, lease_s=lease_s)
        assert lease is not None
        return lease


def populate(store: Store) -> World:
    """Add two architectures, two toolchains, a workload, and a model with one task."""
    for arch in (ARCH, OTHER_ARCH):
        store.add_arch(arch)
    for toolchain in (TOOLCHAIN, OTHER_TOOLCHAIN):
        store.add_toolchain(toolchain)
    version = store.add_model_version(
        ModelVersion("dlrm", digest("graph"), "dlrm.pt2", {"dense": [16, 64]}, {1: 0.25, 16: 0.75})
    )
    store.set_tasks(version, ARCH.name, 16, [Task(workload(), calls=3)])
    return World(store, version)
