"""One night: what is due becomes a campaign, exactly once however many callers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from db import MISSED, CampaignSpec, CpuArch, Schedule, Store, StoredModelVersion
from scheduler.campaigns import register_tasks
from scheduler.nightly.cron import due
from scheduler.nightly.drift import drifted
from scheduler.nightly.plan import Need, Wanted, need_of, plan
from scheduler.nightly.spec import NightSpec
from scheduler.nightly.watch import pick_up
from tuner.arch import resolve, toolchain
from tuner.errors import TunerError
from workers.logs import get_logger

log = get_logger("nightly")

_PREFIX = "nightly/"
#: TVM imports models on one thread of a process at a time.
_IMPORTING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Night:
    """A campaign that a schedule brought about."""

    schedule: str
    campaign: int
    #: Models or files that could not be read, and why.
    refused: dict[str, str] = field(default_factory=dict)


def key_of(schedule: str, moment: datetime) -> str:
    """What names a night: two callers that fire it create one campaign."""
    return f"{_PREFIX}{schedule}/{moment:%Y-%m-%dT%H:%MZ}"


def schedule_of(key: str | None) -> str | None:
    """The schedule that a campaign's key names; None for a campaign of another origin."""
    if key is None or not key.startswith(_PREFIX):
        return None
    return key.removeprefix(_PREFIX).rpartition("/")[0]


def fire_due(store: Store) -> list[Night]:
    """Create the campaigns of the schedules that are due and were not fired yet."""
    now = store.now()
    fired = []
    for schedule in store.schedules():
        if not schedule.enabled:
            continue
        moment = due(schedule.when, NightSpec.of(schedule).zone, now, schedule.since)
        if moment is not None and store.find_key(key_of(schedule.name, moment)) is None:
            fired.append(_fire(store, schedule, moment, now))
    return fired


def unfinished(store: Store) -> list[Night]:
    """Nights that nobody works on at present: their caller was killed."""
    store.expire_leases()
    nights = []
    for progress in store.campaigns():
        schedule = schedule_of(progress.key)
        running = sum(n for state, n in progress.jobs.items() if state == "running")
        if schedule and progress.unfinished and not running and progress.paused_reason is None:
            nights.append(Night(schedule, progress.campaign_id))
    return nights


def missed(store: Store) -> list[Night]:
    """Campaigns of what serving missed, which come last in a night."""
    return [
        Night(progress.name, progress.campaign_id)
        for progress in store.campaigns()
        if (progress.key or "").startswith(MISSED)
        and progress.unfinished
        and progress.paused_reason is None
    ]


def _fire(store: Store, schedule: Schedule, moment: datetime, now: datetime) -> Night:
    with _IMPORTING:
        return _plan_and_create(store, schedule, moment, now)


def _plan_and_create(store: Store, schedule: Schedule, moment: datetime, now: datetime) -> Night:
    spec = NightSpec.of(schedule)
    refused = pick_up(store, spec.watch)[1] if spec.watch else {}
    archs = list({arch.name: arch for arch in map(resolve, spec.archs)}.values())
    wanted: list[Wanted] = []
    for version in store.models():
        if spec.models and version.model not in spec.models:
            continue
        try:
            wanted += _wanted(store, version, archs, spec, now)
        except TunerError as error:
            refused[version.model] = str(error)
    missing = set(spec.models) - {version.model for version in store.models()}
    refused |= dict.fromkeys(missing, "no such model; add it with: tunefleet models add")
    jobs = plan(wanted, calls=spec.weights, total_trials=spec.total_trials)
    campaign = store.create_campaign(
        CampaignSpec(
            name=schedule.name,
            strategy=spec.strategy,
            trials=spec.trials,
            seconds=spec.seconds,
            seed=spec.seed,
            key=key_of(schedule.name, moment),
            wall_s=None if spec.hours is None else spec.hours * 3600.0,
        ),
        jobs,
    )
    log.info(
        "night fired",
        campaign=campaign,
        schedule=schedule.name,
        due=moment.isoformat(),
        jobs=len(jobs),
        new=sum(w.need is Need.NEW for w in wanted),
        stale=sum(w.need is Need.STALE for w in wanted),
        refused=refused,
    )
    return Night(schedule.name, campaign, refused)


def _wanted(
    store: Store,
    version: StoredModelVersion,
    archs: list[CpuArch],
    spec: NightSpec,
    now: datetime,
) -> list[Wanted]:
    buckets = spec.buckets or tuple(sorted(version.traffic))
    workloads = register_tasks(store, version, archs, buckets)
    every = sorted({digest for digests in workloads.values() for digest in digests})
    key = toolchain().key
    wanted = []
    for arch in archs:
        current = store.best_records(every, arch.name, key)
        ever = store.best_records(every, arch.name, None)
        standings = store.standings(every, arch.name, key)
        slower = {digest for digest, standing in standings.items() if drifted(standing)}
        for bucket, digests in workloads.items():
            need = need_of(digests, current, ever, slower, now=now, stale_days=spec.stale_days)
            share = version.traffic.get(bucket, 1.0 / len(workloads))
            wanted.append(Wanted(version.model, version.id, arch.name, bucket, share, need))
    return wanted
