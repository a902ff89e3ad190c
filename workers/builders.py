"""Builds on any node of a cluster: kernels are cross-compiled, so a builder needs no such CPU.

A node offers ``build_slot``s; where there are none, each measuring slot builds on its own host.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import ray

from db import CpuArch, ErrorKind
from tuner.measure import Builder, BuildResult, Failure, LocalBuilder, MeasureOptions

#: Resource of a node: candidates that it builds at once.
BUILD_RESOURCE = "build_slot"


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
    """Builds by tasks on the nodes that offer build slots; calls run at the same time."""

    def __init__(self, options: MeasureOptions) -> None:
        self._options = options
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


def cluster_builds() -> bool:
    """Whether a node of the cluster offers build slots."""
    total: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return total.get(BUILD_RESOURCE, 0.0) > 0
