"""Builds on any node of a cluster: kernels are cross-compiled, so a builder needs no such CPU.

A node offers ``build_slot``s; where there are none, each measuring slot builds on its own host.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import ray

from db import CpuArch, ErrorKind
from tuner.measure import Builder, BuildResult, Failure, LocalBuilder, MeasureOptions

#: Resources of a node: candidates that it builds, and that it measures, at once.
BUILD_RESOURCE = "build_slot"
SLOT_RESOURCE = "measure_slot"


@functools.cache
def _builder(options: MeasureOptions) -> LocalBuilder:
    """One child per process: Ray uses its processes again."""
    return LocalBuilder(options)


def build_here(
    options: MeasureOptions,
    tir: str,
    arch: CpuArch,
    config: Mapping[str, int] | None,
    trace: str | None,
) -> BuildResult:
    """Build one candidate in a child of this process; see `Builder.build`."""
    return _builder(options).build(tir, arch, config=config, trace=trace)


class RemoteBuilder(Builder):
    """Builds by tasks on the nodes that offer build slots.

    Parameters
    ----------
    options
        Deadline and memory of a build.
    at_once
        As `Builder.at_once`; calls beyond the slots that are free wait in Ray.
    """

    def __init__(self, options: MeasureOptions, *, at_once: int = 1) -> None:
        self._options, self.at_once = options, at_once
        # The database, not Ray, decides what is tried again.
        self._task: Any = ray.remote(num_cpus=0, resources={BUILD_RESOURCE: 1}, max_retries=0)(
            build_here
        )

    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        """See `Builder.build`."""
        ref = self._task.remote(self._options, tir, arch, config, trace)
        try:
            result: BuildResult = ray.get(ref)
        except ray.exceptions.RayError as error:
            text = f"its builder was lost: {str(error).strip().splitlines()[-1]}"
            return BuildResult(None, None, 0.0, Failure(ErrorKind.BUILD_ERROR, text[:500]))
        return result


def builds_per_slot() -> int:
    """Builds that the cluster's build slots run for each measuring slot; 0 if there are none."""
    total: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    building = total.get(BUILD_RESOURCE, 0.0)
    return math.ceil(building / max(1.0, total.get(SLOT_RESOURCE, 0.0)))
