"""Actors on a Ray cluster, or on a Ray of this machine's own."""

from __future__ import annotations

import logging
import os
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from db import Store, open_store
from scheduler.errors import ExecutorError
from scheduler.executors.base import (
    PATIENCE_S,
    Executor,
    look_at,
    requeue_orphans,
    runnable_archs,
)
from scheduler.executors.placement import (
    ARCH_LABEL,
    NODE_LABEL,
    SLOT_RESOURCE,
    Node,
    Placement,
    Pool,
    place,
)
from workers.logs import get_logger
from workers.tools import ToolMaker
from workers.worker import Left, WorkerOptions

log = get_logger("executor")

#: Seconds that stopped workers have to give their jobs back.
GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class RayOptions:
    """How workers are run on Ray."""

    #: Of a running cluster; None starts Ray on this machine.
    address: str | None = None
    #: Measuring slots of this machine, where Ray is started on it.
    slots: int = 1
    #: Slots of one actor. More than one suits slots that only wait, as those of a replay do.
    slots_per_actor: int = 1
    #: The campaign is given up after this many deaths in a row without a new measurement.
    fruitless_deaths: int = 4


@dataclass(frozen=True, slots=True)
class _Worker:
    """One slot that is served."""

    id: str
    pool: Pool
    actor: Any


class RayExecutor(Executor):
    """Keeps as many workers on the nodes of each architecture as there are slots and jobs.

    Ray places actors; the database alone decides which job is tried again. A worker that died is
    declared gone with what Ray knows of its death, and its place is taken by a new one.
    """

    def __init__(
        self, db_url: str, make_tools: ToolMaker, worker: WorkerOptions, options: RayOptions
    ) -> None:
        self._db_url, self._make_tools = db_url, make_tools
        self._worker, self._options = worker, options
        self._store: Store = open_store(db_url, create=False, patience_s=PATIENCE_S)
        #: By the reference of the call that ends when they leave.
        self._serving: dict[Any, _Worker] = {}
        self._campaign = 0
        self._waiting: dict[str, str] = {}
        #: Nodes that are not fit to measure, and why.
        self._benched: dict[str, str] = {}
        self._deaths = 0
        self._measured = 0

    def __repr__(self) -> str:
        pools = Counter(worker.pool.label for worker in self._serving.values())
        return (
            f"<RayExecutor campaign={self._campaign} serving={dict(pools)} "
            f"waiting={self._waiting} benched={self._benched} deaths={self._deaths}>"
        )

    def start(self, campaign_id: int) -> None:
        """See `Executor.start`."""
        self._campaign = campaign_id
        self._connect()
        requeue_orphans(self._store)
        self._fill()

    def _connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        # Ray sees no accelerator here, and must not hide any from its workers.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        own: dict[str, Any] = {}
        if self._options.address is None:
            from tuner.arch import host_arch

            own = {
                "num_cpus": self._options.slots,
                "resources": {SLOT_RESOURCE: self._options.slots},
                "labels": {ARCH_LABEL: host_arch().name},
                "include_dashboard": False,
            }
        try:
            # "local" and not None: None would join whatever cluster was started here last.
            ray.init(
                address=self._options.address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                **own,
            )
        except (ConnectionError, RuntimeError, OSError) as error:
            raise ExecutorError(
                f"Ray cannot be reached at {self._options.address or 'this machine'}: {error}"
            ) from error

    def _nodes(self) -> list[Node]:
        import ray

        return [
            Node(node["NodeID"], node["Labels"], int(node["Resources"].get(SLOT_RESOURCE, 0)))
            for node in ray.nodes()  # type: ignore[no-untyped-call]
            if node["Alive"] and node["NodeID"] not in self._benched
        ]

    def _placement(self) -> Placement:
        unfinished = self._store.unfinished_archs(self._campaign)
        if self._options.address is not None:
            return place(self._nodes(), unfinished)
        # This machine serves whatever it can run.
        from tuner.arch import host_arch

        archs = tuple(sorted(set(runnable_archs(self._store)) & set(unfinished)))
        jobs = sum(unfinished[arch] for arch in archs)
        pools = (Pool(host_arch().name, archs, min(self._options.slots, jobs)),) if jobs else ()
        waiting = {
            arch: f"waits for a machine with the CPU {arch}: this one cannot run its kernels"
            for arch in sorted(set(unfinished) - set(archs))
        }
        return Placement(pools, waiting)

    def _fill(self) -> None:
        """Start what is missing, and say why the rest waits."""
        placement = self._placement()
        running = Counter(worker.pool.label for worker in self._serving.values())
        for pool in placement.pools:
            missing = pool.wanted - running[pool.label]
            while missing > 0:
                slots = min(missing, self._options.slots_per_actor)
                self._launch(pool, slots)
                missing -= slots
        for arch in sorted(self._waiting.keys() | placement.waiting.keys()):
            reason = placement.waiting.get(arch, "")
            if self._waiting.get(arch, "") != reason:
                self._store.explain(self._campaign, arch, reason)
                log.warning("jobs wait", campaign=self._campaign, arch=arch, reason=reason)
        self._waiting = dict(placement.waiting)

    def _launch(self, pool: Pool, slots: int) -> None:
        from workers.actor import remote_worker

        actor = (
            remote_worker()
            .options(
                num_cpus=0,
                resources={SLOT_RESOURCE: slots},
                label_selector=self._selector(pool),
                # One more than serve, so that it can be told to stop.
                max_concurrency=slots + 1,
            )
            .remote(self._db_url, self._make_tools, self._worker)
        )
        for _ in range(slots):
            worker = _Worker(str(uuid.uuid4()), pool, actor)
            ref = actor.serve.remote(self._campaign, pool.archs, worker.id)
            self._serving[ref] = worker

    def _selector(self, pool: Pool) -> dict[str, str]:
        selector = {ARCH_LABEL: pool.label}
        if self._benched:
            selector[NODE_LABEL] = f"!in({','.join(sorted(self._benched))})"
        return selector

    def poll(self) -> None:
        """See `Executor.poll`."""
        import ray

        self._store.expire_leases()
        if not look_at(self._store, self._campaign):
            return
        if self._serving:
            refs = list(self._serving)
            ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0, fetch_local=False)
            for ref in ready:
                self._left(self._serving.pop(ref), ref)
        self._fill()

    def _left(self, worker: _Worker, ref: Any) -> None:
        import ray

        try:
            left = ray.get(ref)
        except ray.exceptions.RayError as error:
            self._died(worker, str(error).strip().splitlines()[-1])
        else:
            told = log.bind(campaign=self._campaign, worker=worker.id, node=left.node)
            told.info("worker left", reason=left.reason)
            if not left.fit:
                self._bench(left)

    def _bench(self, left: Left) -> None:
        if self._options.address is None:
            raise ExecutorError(
                f"this machine is not fit to measure, {left.reason}; what was measured is stored: "
                "run the same command again to go on"
            )
        self._benched[left.node] = left.reason

    def _died(self, worker: _Worker, reason: str) -> None:
        log.error("worker died", campaign=self._campaign, worker=worker.id, reason=reason)
        self._store.retire_worker(worker.id, f"died: {reason}"[:500])
        measured = self._store.campaign_progress(self._campaign).measurements
        self._deaths = 1 if measured > self._measured else self._deaths + 1
        self._measured = measured
        if self._deaths >= self._options.fruitless_deaths:
            raise ExecutorError(
                f"{self._deaths} workers in a row died without measuring anything, the last of: "
                f"{reason}; what was measured is stored: run the same command again to go on"
            )

    def stop(self) -> None:
        """See `Executor.stop`."""
        import ray

        try:
            if ray.is_initialized():
                self._end_workers(ray)
                ray.shutdown()
        finally:
            self._store.close()

    def _end_workers(self, ray: Any) -> None:
        actors = {id(worker.actor): worker.actor for worker in self._serving.values()}
        for actor in actors.values():
            actor.stop.remote()
        refs = list(self._serving)
        if refs:
            ray.wait(refs, num_returns=len(refs), timeout=GRACE_S, fetch_local=False)
        for actor in actors.values():
            ray.kill(actor)
        self._serving.clear()
