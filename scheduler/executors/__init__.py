"""Who runs the jobs of a campaign: this process, or actors on a Ray cluster."""

from __future__ import annotations

from scheduler.errors import ExecutorError
from scheduler.executors.base import Executor, requeue_orphans, runnable_archs
from tuner.measure import MeasureOptions
from workers.tools import LocalTools, ToolMaker
from workers.worker import WorkerOptions

__all__ = ["Executor", "make_executor", "requeue_orphans", "runnable_archs"]


def make_executor(
    kind: str,
    *,
    db_url: str,
    ray_address: str | None = None,
    slots: int | None = None,
    measure: MeasureOptions = MeasureOptions(),
    make_tools: ToolMaker | None = None,
    options: WorkerOptions = WorkerOptions(),
) -> Executor:
    """Make an executor of a `kind`: ``"ray"`` or ``"inprocess"``.

    Parameters
    ----------
    ray_address
        Of a running cluster; None starts Ray on this machine.
    slots
        Measuring slots of this machine; None takes half of its cores, the others build. The nodes
        of a cluster have theirs from ``tunefleet worker``.
    measure
        How candidates are measured.
    make_tools
        Builds and measures in another way than on the workers' hosts: a replay.
    """
    tools = make_tools or LocalTools(measure, None if ray_address else slots)
    if kind == "inprocess":
        from scheduler.executors.inprocess import InProcessExecutor

        return InProcessExecutor(db_url, tools, options)
    if kind == "ray":
        from scheduler.executors.ray_cluster import RayExecutor, RayOptions
        from workers.cores import default_slots, physical_cores

        own = slots or default_slots(physical_cores())
        return RayExecutor(db_url, tools, options, RayOptions(ray_address, own))
    raise ExecutorError(f"unknown executor {kind!r}; known are ray, inprocess")
