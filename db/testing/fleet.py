"""A fleet with many nights behind it, made by the database itself: for pages and benchmarks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from db.backend.database import Database
from db.domain.catalog import CpuArch, ModelVersion, Toolchain
from db.domain.signatures import signature
from db.store.base import Store
from db.testing.builders import digest

ARCHS = (
    CpuArch("znver4", "x86-64-v4", ("avx2", "avx512f", "avx512vnni")),
    CpuArch("icelake-server", "x86-64-v4", ("avx2", "avx512f")),
    CpuArch("haswell", "x86-64-v3", ("avx2",)),
    CpuArch("znver3", "x86-64-v3", ("avx2", "vaes")),
)
TOOLCHAINS = (Toolchain("0.26", "21", "1"), Toolchain("0.27", "22", "2"))

_KINDS = ("build_error", "run_crash", "run_timeout", "wrong_result")
_TEXTS = (
    "LLVM ERROR: out of registers while allocating virtual register",
    "the process ended with signal 11 at 0x7f00ab12",
    "took more than 30 s",
    "differs by 0.00{n} from double precision, more than 2e-05",
)

_STATS = (
    '{"measured": 3959.0, "failed": 400.0, "build_s": 2500.0, "measure_s": 4000.0, '
    '"validate_s": 300.0, "calibrate_s": 60.0, "fma_gflops": 112.0, "utilisation": 0.81}'
)
_CALIBRATION = (
    '{"fma_gflops": 118.0, "read_gbs_16KiB": 160.0, "read_gbs_256KiB": 110.0, '
    '"read_gbs_4MiB": 30.0, "read_gbs_64MiB": 9.0, "roofline": 0.'
)


@dataclass(frozen=True, slots=True)
class FleetSize:
    """How much there is of everything."""

    models: int = 4
    #: Workloads of each model, in every bucket.
    workloads: int = 50
    buckets: int = 10
    archs: int = 4
    nights: int = 63
    measurements: int = 1_000_000
    #: Workers of each night.
    workers: int = 40

    @property
    def jobs_per_night(self) -> int:
        """One per model, architecture and bucket."""
        return self.models * self.archs * self.buckets

    @property
    def jobs(self) -> int:
        """Jobs of all nights."""
        return self.nights * self.jobs_per_night


#: As small as every page still has something to show.
SMALL = FleetSize(
    models=2, workloads=3, buckets=3, archs=2, nights=3, measurements=3_600, workers=2
)


def fill_fleet(store: Store, database: Database, size: FleetSize = FleetSize()) -> None:
    """Fill an empty database: nights a day apart, the last of which runs at this moment."""
    _catalog(store, size)
    sqlite = database.backend.one_writer
    ago, json = (_ago_sqlite, "") if sqlite else (_ago_postgresql, "::json")
    for statement in statements(size, ago, json):
        # Colons belong to times here, not to parameters.
        clause = sa.text(statement.replace(":", "\\:"))
        database.write(lambda connection, clause=clause: connection.execute(clause))  # type: ignore[misc]
    database.compact()


def _ago_sqlite(secs: str) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', -({secs}) || ' seconds')"


def _ago_postgresql(secs: str) -> str:
    return f"(statement_timestamp() - make_interval(secs => {secs}))"


def _texts() -> list[str]:
    return [
        _TEXTS[n % 4].format(n=n) + (f" in pass {chr(97 + n // 4)}" * (n > 3)) for n in range(40)
    ]


def _catalog(store: Store, size: FleetSize) -> None:
    for arch in ARCHS[: size.archs]:
        store.add_arch(arch)
    for toolchain in TOOLCHAINS:
        store.add_toolchain(toolchain)
    for number in range(size.models):
        store.add_model_version(
            ModelVersion(
                f"ads-{number}",
                digest("graph", number),
                f"/models/ads-{number}.pt2",
                {"dense": "float32[batch, 13]"},
                {4**n: 1.0 / size.buckets for n in range(size.buckets)},
            )
        )


def statements(size: FleetSize, ago: Callable[[str], str], json: str) -> Iterator[str]:
    """What fills the tables; `ago` writes the moment some seconds ago, `json` makes text JSON."""
    f, b, a = size.workloads, size.buckets, size.archs
    per_night, jobs = size.jobs_per_night, size.jobs
    # Of the night that runs, three quarters are done, and a few run.
    done = jobs - per_night + per_night * 3 // 4
    running = min(size.workers, jobs - done - 1)
    per_job = math.ceil(size.measurements / (done + running))
    step = 7200.0 / per_night

    def numbers(n: int) -> str:
        return (
            "WITH RECURSIVE numbers(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL "
            f"SELECT i + 1 FROM numbers WHERE i + 1 < {n})"
        )

    def started(job: str) -> str:
        """Seconds since a job (from 0) was claimed."""
        night, place = f"(({job}) / {per_night})", f"(({job}) % {per_night})"
        return f"(({size.nights - 1} - {night}) * 86400 + 5400.0 - {place} * {step})"

    def ended(job: str) -> str:
        return f"({started(job)} - {step * 0.9})"

    def workload(job: str, number: str) -> str:
        """Id of the workload of a job with a number among those of its model."""
        model = f"(({job}) % {per_night} / {a * b})"
        return f"(1 + ({model} * {f} + ({number}) % {f}) * {b} + ({job}) % {b})"

    def arch(job: str) -> str:
        return f"(1 + ({job}) / {b} % {a})"

    every = size.models * f * b
    yield f"""
INSERT INTO workloads (digest, op_kind, name, shapes, dtype, flops, bytes, tir, added_at)
{numbers(every)}, sized AS (SELECT i, i / {b} AS family, {_power(b)} AS bucket FROM numbers)
SELECT substr(CAST(10000000000000000 + (i + 7) * 42949672917 AS TEXT), 2)
    || substr('{digest("fleet")}', 1, 48),
  CASE family % 3 WHEN 0 THEN 'dense' WHEN 1 THEN 'embedding_bag' ELSE 'pair_dots' END,
  CASE family % 3 WHEN 0 THEN 'dense ' WHEN 1 THEN 'bag ' ELSE 'pair_dots ' END
    || bucket || 'x' || (64 + family * 8) || 'x256 add+relu float32',
  '[[16,64],[64,256]]', 'float32', bucket * (64 + family * 8) * 512.0,
  (64 + family * 8) * 1024.0 + bucket * 1280.0, '{{}}', {ago("86400 * 90")}
FROM sized"""
    yield f"""
INSERT INTO tasks (model_version_id, arch_id, bucket, workload_id, calls, weight)
SELECT 1 + (w.id - 1) / {f * b}, a.id, {_power(b, "(w.id - 1)")}, w.id, 1 + w.id % 3, 1.0
FROM workloads w CROSS JOIN cpu_archs a"""
    yield f"""
INSERT INTO campaigns (key, name, strategy, seconds, seed, max_failures, backoff_s, backoff_max_s,
  created_at)
{numbers(size.nights)}
SELECT 'night' || i, 'every-night', CASE i % 3 WHEN 0 THEN 'autotvm' ELSE 'auto' END, 60.0, 0, 3,
  5.0, 600.0, {ago(f"({size.nights - 1} - i) * 86400 + 5401.0")}
FROM numbers"""
    nights_ago = f"({size.nights - 1} - night)"
    left = ago(f"{nights_ago} * 86400 - 1800.0")
    yield f"""
INSERT INTO workers (id, host, arch, cpu, pid, slots, labels, started_at, seen_at, stats, gone_at,
  gone_reason)
{numbers(size.nights * size.workers)}, w AS (
  SELECT i, i / {size.workers} AS night, i % {size.workers} AS n FROM numbers)
SELECT 'worker-' || night || '-' || n || '-0000-0000', 'host' || (n / 4), a.name, 'EPYC 9R14',
  100 + n, 1, '{{}}', {ago(f"{nights_ago} * 86400 + 5400.0")},
  CASE WHEN {nights_ago} = 0 THEN {ago("1.0")} ELSE {left} END, '{_STATS}',
  CASE WHEN {nights_ago} = 0 THEN NULL ELSE {left} END,
  CASE WHEN {nights_ago} = 0 THEN NULL ELSE 'no job is left' END
FROM w JOIN cpu_archs a ON a.id = 1 + n % {a}"""
    yield f"""
INSERT INTO worker_samples (worker_id, at, measured, failed, build_s, measure_s, validate_s,
  calibrate_s, fma_gflops)
{numbers(90)}
SELECT w.id, {ago("5399.0 - i * 60")}, i * 44.0, i * 4.4, i * 27.0, i * 44.0, i * 3.0, i * 0.6,
  118.0 - (i * 7919 % 12)
FROM numbers CROSS JOIN workers w WHERE w.gone_at IS NULL"""
    holder = f"'worker-' || (i / {per_night}) || '-' || (i % {size.workers}) || '-0000-0000'"
    state = (
        f"CASE WHEN i >= {done + running} THEN 'queued' WHEN i >= {done} THEN 'running' "
        "WHEN i % 97 = 13 THEN 'failed' ELSE 'done' END"
    )
    yield f"""
INSERT INTO jobs (campaign_id, model_version_id, arch_id, bucket, priority, state, attempt,
  failures, reason, worker, token, lease_expires_at, not_before, created_at, started_at, updated_at,
  finished_at)
{numbers(jobs)}
SELECT 1 + i / {per_night}, 1 + i % {per_night} / {a * b}, {arch("i")}, {_power(b)}, i % 3, {state},
  CASE WHEN i >= {done + running} THEN 0 ELSE 1 END, CASE WHEN i % 97 = 13 THEN 1 ELSE 0 END,
  CASE WHEN i % 97 = 13 AND i < {done} THEN 'ValueError: no candidate ran' ELSE '' END,
  CASE WHEN i >= {done + running} THEN NULL ELSE {holder} END,
  CASE WHEN i >= {done + running} THEN NULL ELSE 'token' END,
  CASE WHEN i >= {done} AND i < {done + running} THEN {ago("-60.0")} ELSE NULL END,
  {ago(started("i"))}, {ago(f"({size.nights - 1} - i / {per_night}) * 86400 + 5401.0")},
  CASE WHEN i >= {done + running} THEN NULL ELSE {ago(started("i"))} END,
  CASE WHEN i >= {done} THEN {ago("0.0")} ELSE {ago(ended("i"))} END,
  CASE WHEN i >= {done} THEN NULL ELSE {ago(ended("i"))} END
FROM numbers"""
    for action, before, after, at, reached in (
        ("create", "NULL", "'queued'", started("(id - 1)"), "id > 0"),
        ("claim", "'queued'", "'running'", started("(id - 1)"), "state <> 'queued'"),
        ("finish", "'running'", "'done'", ended("(id - 1)"), "state = 'done'"),
        ("fail", "'running'", "'failed'", ended("(id - 1)"), "state = 'failed'"),
    ):
        yield f"""
INSERT INTO events (job_id, at, action, before, after, attempt, worker, reason)
SELECT id, {ago(at)}, '{action}', {before}, {after}, attempt, worker, reason FROM jobs
WHERE {reached} ORDER BY id"""
    yield "INSERT INTO hosts (name, cpu) VALUES ('host0', 'EPYC 9R14')"
    candidates = every * 20
    yield f"""
INSERT INTO tuning_records (workload_id, candidate, config, trace)
{numbers(candidates)}
SELECT 1 + i % {every}, 'candidate-' || i,
  ('{{"rows": ' || (1 + i / {every}) || ', "panels": 4}}'){json},
  '[[["Split",["l' || i || '"],[1],["l0","l1"]],["Vectorize",["l1"],[],[]]],[]]'
FROM numbers"""
    errors = ", ".join(
        f"({n}, '{_KINDS[n % 4]}', '{text}', '{signature(_KINDS[n % 4], text)}')"
        for n, text in enumerate(_texts())
    )
    yield f"""
INSERT INTO measurements (uid, job_id, attempt, workload_id, arch_id, toolchain_id, record_id,
  host_id, strategy, regime, median, spread, run_secs, error_kind, error_text, error_signature,
  core, threads, calibration, build_secs, measured_at)
{numbers((done + running) * per_job)}, errors(n, kind, said, sign) AS (VALUES {errors}),
m AS (SELECT i, i / {per_job} AS job, i % {per_job} AS k FROM numbers),
placed AS (SELECT i, job, k, {workload("job", "k")} AS workload,
  (20.0 + i * 7919 % 1000 / 100.0 - k * 5.0 / {per_job}) * 1e-6 AS secs FROM m)
SELECT CAST(i * 2654435761 % 4294967291 AS TEXT) || '-fleet-' || i, 1 + job, 1, workload,
  {arch("job")},
  CASE WHEN job < {jobs // 3} THEN 1 ELSE 2 END, workload + {every} * (i * 31 % 20), 1,
  CASE WHEN i % 4 = 0 THEN 'ansor' ELSE 'autotvm' END, 'warm',
  CASE WHEN n IS NULL THEN secs END, CASE WHEN n IS NULL THEN 0.02 END,
  (CASE WHEN n IS NULL THEN '[' || secs || ',' || (secs * 1.02) || ',' || (secs * 0.98) || ']'
    ELSE '[]' END){json},
  kind, said, sign, 3, 1,
  ('{_CALIBRATION}' || (10 + (workload * 7 + job) % 89) || '}}'){json}, 0.4,
  {ago(f"{started('job')} - k * {step} / {per_job}")}
FROM placed LEFT JOIN errors ON i % 10 = 3 AND n = i / 10 % 40"""
    yield """
INSERT INTO job_counts (job_id, error_kind, measurements)
SELECT job_id, coalesce(error_kind, ''), count(*) FROM measurements GROUP BY 1, 2"""
    roofline = (
        "(calibration ->> 'roofline')::double precision"
        if json
        else "json_extract(calibration, '$.roofline')"
    )
    # Some workloads stay untuned, as in life.
    for toolchain, low, high in ((1, 0.0, 0.2), (1, 0.2, 0.33), (2, 0.33, 0.7), (2, 0.9, 1.0)):
        total = (done + running) * per_job
        yield f"""
INSERT INTO promotions (workload_id, arch_id, toolchain_id, regime, measurement_id, record_id,
  strategy, run_secs, default_secs, roofline, validation, promoted_at)
SELECT workload_id, arch_id, toolchain_id, regime, id, record_id, strategy, median, 6e-5,
  {roofline}, '{{"passed": true}}', measured_at
FROM measurements WHERE id IN (
  SELECT min(id) FROM measurements
  WHERE id > {total * low} AND id <= {total * high} AND median IS NOT NULL AND workload_id % 17 <> 5
    AND toolchain_id = {toolchain}
  GROUP BY workload_id, arch_id) ORDER BY id"""
    yield """
INSERT INTO best_records (workload_id, arch_id, toolchain_id, regime, promotion_id, run_secs)
SELECT workload_id, arch_id, toolchain_id, regime, id, run_secs FROM (
  SELECT p.*, row_number() OVER (
    PARTITION BY workload_id, arch_id, toolchain_id, regime ORDER BY run_secs, id) AS place
  FROM promotions p) AS ranked WHERE place = 1"""
    # Two processes serve each model on each architecture, and told so a moment ago.
    yield f"""
INSERT INTO servings (process, host, model_version_id, arch_id, refreshes, refreshed_at, started_at,
  seen_at)
{numbers(2)}
SELECT 'engine-' || v.id || '-' || a.id || '-' || i, 'serve' || i, v.id, a.id, 6 * i,
  CASE i WHEN 0 THEN NULL ELSE {ago("7200.0")} END, {ago("86400.0")}, {ago("20.0")}
FROM model_versions v CROSS JOIN cpu_archs a CROSS JOIN numbers"""
    yield f"""
INSERT INTO serving_buckets (serving_id, bucket, calls, by_record, by_compatible, by_neighbour,
  by_default)
{numbers(b)}
SELECT s.id, {_power(b)}, 1000000 * (1 + i % 3), {f} - i % {f}, 0, 0, i % {f}
FROM servings s CROSS JOIN numbers"""


def _power(buckets: int, number: str = "i") -> str:
    """The batch size of the bucket that a number falls into: a power of two."""
    cases = " ".join(f"WHEN {n} THEN {2**n}" for n in range(buckets))
    return f"CASE {number} % {buckets} {cases} END"
