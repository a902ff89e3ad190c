"""What Prometheus is told: the state of the database, so that a restart of anything loses nothing.

Each scrape costs a handful of indexed queries, whatever the number of measurements.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db import CampaignProgress, DbError, Store, WorkerInfo

#: Campaigns that are told apart; older ones are over.
RECENT = 20

#: Name -> what it says. Documented in docs/operations.md, which a test compares.
METRICS: Mapping[str, str] = {
    "tunefleet_up": "1 if the database answers, 0 if not",
    "tunefleet_scrape_seconds": "time that reading the database took",
    "tunefleet_jobs": "jobs of recent campaigns, by campaign and state",
    "tunefleet_campaign_paused": "1 for a recent campaign that is paused",
    "tunefleet_measurements_total": "candidates of recent campaigns, by campaign and outcome",
    "tunefleet_workers": "workers that serve, by host and architecture",
    "tunefleet_workers_draining": "workers that were asked to leave, by host",
    "tunefleet_worker_heartbeat_age_seconds": "time since a worker's last heartbeat",
    "tunefleet_worker_utilisation": "share of its time in which a worker's core worked",
    "tunefleet_worker_measuring": "share of its time in which a worker's core measured",
    "tunefleet_worker_phase_seconds_total": "time a worker spent, by phase",
    "tunefleet_worker_candidates_total": "candidates of a worker, by outcome",
    "tunefleet_worker_fma_gflops": "speed of a worker's core at its last calibration",
}


class FleetCollector(Collector):
    """Turns the database into metrics.

    Parameters
    ----------
    opened
        Gives the store at each scrape, or raises `DbError`: the database is not up.
    """

    def __init__(self, opened: Callable[[], Store]) -> None:
        self._opened = opened

    def describe(self) -> Iterable[Metric]:
        """Nothing is read to register it."""
        return [GaugeMetricFamily(name, text) for name, text in METRICS.items()]

    def collect(self) -> Iterator[Metric]:
        """Read the database once."""
        start = time.perf_counter()
        up = 1.0
        try:
            store = self._opened()
            yield from self._campaigns(store.campaigns(RECENT))
            yield from self._workers(store.workers(), store.now())
        except DbError:
            up = 0.0
        yield _gauge("tunefleet_up", up)
        yield _gauge("tunefleet_scrape_seconds", time.perf_counter() - start)

    def _campaigns(self, campaigns: list[CampaignProgress]) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("tunefleet_jobs", METRICS["tunefleet_jobs"], labels=_JOB)
        paused = _family("tunefleet_campaign_paused", "campaign", "name")
        measured = CounterMetricFamily(
            "tunefleet_measurements", METRICS["tunefleet_measurements_total"], labels=_OUTCOME
        )
        for campaign in campaigns:
            named = [str(campaign.campaign_id), campaign.name]
            for state, count in campaign.jobs.items():
                jobs.add_metric([*named, str(state)], count)
            paused.add_metric(named, campaign.paused_reason is not None)
            valid = campaign.measurements - sum(campaign.errors.values())
            for outcome, count in {"valid": valid, **campaign.errors}.items():
                measured.add_metric([*named, outcome], count)
        yield from (jobs, paused, measured)

    def _workers(self, workers: list[WorkerInfo], now: datetime) -> Iterator[Metric]:
        serving = Counter((w.host, w.arch) for w in workers)
        count = _family("tunefleet_workers", "host", "arch")
        for (host, arch), number in serving.items():
            count.add_metric([host, arch], number)
        draining = _family("tunefleet_workers_draining", "host")
        for host, number in Counter(w.host for w in workers if w.drain_reason).items():
            draining.add_metric([host], number)
        age = _family("tunefleet_worker_heartbeat_age_seconds", "worker", "host")
        figures = {
            name: _family(f"tunefleet_worker_{name}", "worker", "host")
            for name in ("utilisation", "measuring", "fma_gflops")
        }
        phases = CounterMetricFamily(
            "tunefleet_worker_phase_seconds",
            METRICS["tunefleet_worker_phase_seconds_total"],
            labels=["worker", "host", "phase"],
        )
        outcomes = CounterMetricFamily(
            "tunefleet_worker_candidates",
            METRICS["tunefleet_worker_candidates_total"],
            labels=["worker", "host", "outcome"],
        )
        for w in workers:
            named = [w.id, w.host]
            if w.seen_at is not None:
                age.add_metric(named, max(0.0, (now - w.seen_at).total_seconds()))
            for name, family in figures.items():
                if name in w.stats:
                    family.add_metric(named, w.stats[name])
            for name, value in w.stats.items():
                if name.endswith("_s"):
                    phases.add_metric([*named, name.removesuffix("_s")], value)
            failed = w.stats.get("failed", 0.0)
            outcomes.add_metric([*named, "failed"], failed)
            outcomes.add_metric([*named, "valid"], w.stats.get("measured", 0.0) - failed)
        yield from (count, draining, age, *figures.values(), phases, outcomes)


_JOB = ["campaign", "name", "state"]
_OUTCOME = ["campaign", "name", "outcome"]


def _family(name: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, METRICS[name], labels=labels)


def _gauge(name: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, METRICS[name], value=value)
