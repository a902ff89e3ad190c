"""Large databases in seconds: rows made by the database itself, for plans and benchmarks."""

from __future__ import annotations

import sqlalchemy as sa

from db.backend.database import Database
from db.domain.catalog import Task
from db.domain.jobs import CampaignSpec
from db.schema.clock import now
from db.testing.builders import ARCH, World, measurement, workload

#: Numbers from 0 to `n` - 1, and the workloads numbered, on both databases.
_NUMBERS = """WITH RECURSIVE numbers(i) AS (
  SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < {n}
), known(id, k) AS (
  SELECT id, row_number() OVER (ORDER BY id) - 1 FROM workloads
)"""

_RECORDS = """
INSERT INTO tuning_records (workload_id, candidate, trace)
{numbers} SELECT known.id, 'bulk' || i, '[[["Split",' || i || ']],[]]'
FROM numbers JOIN known ON k = i % {workloads}
"""

# Multiplied by primes, so that uids and medians arrive in no order, as they do in life.
_MEASUREMENTS = """
INSERT INTO measurements (uid, attempt, workload_id, arch_id, toolchain_id, record_id, host_id,
  strategy, regime, median, spread, run_secs, threads, calibration, measured_at)
{numbers} SELECT CAST(i * 2654435761 % 4294967291 AS TEXT) || '-bulk-' || i, 1,
  known.id, 1 + i / {records} % 2, 1 + i / {records} / 2 % 2, {first} + i % {records}, 1,
  'ansor', 'warm', (1 + i * 7919 % 1000003) * 1e-8, 0.01, '[0.001]', 1, '{{}}', {now}
FROM numbers JOIN known ON k = i % {records} % {workloads}
"""

_EVENTS = """
INSERT INTO events (job_id, at, action, after, attempt, reason)
SELECT id, created_at, 'create', state, 0, '' FROM jobs
"""

#: One measurement of each workload, called the best.
_PROMOTIONS = """
INSERT INTO promotions (workload_id, arch_id, toolchain_id, regime, measurement_id, record_id,
  strategy, run_secs, default_secs, validation, promoted_at)
SELECT workload_id, arch_id, toolchain_id, regime, id, record_id, strategy, median, 0.01,
  '{{"passed": true}}', {now}
FROM measurements WHERE id IN (
  SELECT min(id) FROM measurements
  WHERE arch_id = 1 AND toolchain_id = 1 AND regime = 'warm' AND median IS NOT NULL
  GROUP BY workload_id
)
"""

_BEST = """
INSERT INTO best_records (workload_id, arch_id, toolchain_id, regime, promotion_id, run_secs)
SELECT workload_id, arch_id, toolchain_id, regime, id, run_secs FROM promotions
"""

_JOBS = """
INSERT INTO jobs (campaign_id, model_version_id, arch_id, bucket, priority, state, attempt,
  failures, reason, not_before, created_at, updated_at, finished_at)
{numbers} SELECT {campaign}, 1, 1 + i % 2, 1 + i + {first}, i % 3, '{state}', 0, 0, '',
  {now}, {now}, {now}, {finished} FROM numbers
"""


def fill_records(
    world: World, database: Database, *, measurements: int, records: int, workloads: int, model: int
) -> None:
    """Put a model's best records among many measurements.

    Parameters
    ----------
    world
        A populated store.
    database
        Its database.
    measurements
        How many measurements to make, spread over records, architectures and toolchains.
    records
        How many tuning records to make, spread over the workloads.
    workloads
        How many workloads there are, each with a best record.
    model
        How many of them are tasks of the model's bucket 16.
    """
    store = world.store
    made = [workload(n) for n in range(workloads)]
    store.add_workloads(made)
    store.set_tasks(world.model_version, ARCH.name, 16, [Task(w, calls=1) for w in made[:model]])
    # The host that the measurements refer to.
    store.add_measurements([measurement(0)])
    sizes = {"workloads": workloads, "records": records}
    _run(database, _RECORDS, n=records, **sizes)
    first = "(SELECT min(id) FROM tuning_records WHERE candidate LIKE 'bulk%')"
    _run(database, _MEASUREMENTS, n=measurements, first=first, **sizes)
    _run(database, _PROMOTIONS, n=1)
    _run(database, _BEST, n=1)
    database.compact()


def fill_jobs(world: World, database: Database, *, queued: int, done: int) -> None:
    """Put jobs into the queue, and behind it."""
    campaign = world.store.create_campaign(CampaignSpec("bulk", "auto"), [])
    now = _now(database)
    _run(database, _JOBS, n=done, campaign=campaign, first=0, state="done", finished=now)
    _run(database, _JOBS, n=queued, campaign=campaign, first=done, state="queued", finished="NULL")
    _run(database, _EVENTS, n=1)
    database.compact()


def _run(database: Database, text: str, *, n: int, **values: object) -> None:
    if n < 1:
        return
    statement = text.format(numbers=_NUMBERS.format(n=n), now=_now(database), **values)
    # Colons belong to times here, not to parameters.
    clause = sa.text(statement.replace(":", "\\:"))
    database.write(lambda connection: connection.execute(clause))


def _now(database: Database) -> str:
    return str(now().compile(dialect=database.engine.dialect))
