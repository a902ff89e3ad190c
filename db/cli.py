"""The commands ``tunefleet db ...``; the scheduler's command line mounts `db_group`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from db.cli_records import Moment, change_line, describe
from db.errors import DbError


class DbGroup(click.Group):
    """Tells errors of the database in one line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DbError as error:
            raise click.ClickException(str(error)) from error


@click.group("db", cls=DbGroup)
@click.pass_context
def db_group(ctx: click.Context) -> None:
    """Look after the shared database."""
    ctx.ensure_object(dict)
    ctx.obj.setdefault("db", None)


_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_folder = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
_arch = click.option("--arch", required=True, help="LLVM cpu name, e.g. znver4.")


@db_group.command()
@_json
@click.pass_obj
def upgrade(obj: dict[str, Any], as_json: bool) -> None:
    """Create the tables, or bring them to this version's revision."""
    from db.migrate import upgrade as migrate

    before, after = migrate(obj["db"])
    if before == after:
        text = f"already at revision {after}"
    else:
        text = f"upgraded from {before or 'nothing'} to revision {after}"
    _print(as_json, {"before": before, "after": after}, [text])


@db_group.command()
@_json
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Look for damage and contradictions; exit with 1 if there are any."""
    from db.maintenance import check as look

    with _open(ctx.obj, read_only=True) as store:
        findings = look(store.database)
        _print(as_json, {"url": store.url, "findings": findings}, findings or ["all is well"])
    if findings:
        ctx.exit(1)


@db_group.command()
@_json
@click.pass_obj
def stats(obj: dict[str, Any], as_json: bool) -> None:
    """Count what is there."""
    with _open(obj, read_only=True) as store:
        found = store.stats()
    lines = [f"{found.url}  revision {found.revision}  {found.size / 1e6:.1f} MB"]
    lines += [f"{rows:>12,}  {table}" for table, rows in found.rows.items()]
    lines += [f"{n:>12,}  jobs {state}" for state, n in sorted(found.jobs.items())]
    lines += [f"{n:>12,}  best records on {arch}" for arch, n in sorted(found.best_records.items())]
    lines.append(f"measured from {found.first_measured_at} to {found.last_measured_at}")
    _print(as_json, dataclasses.asdict(found), lines)


@db_group.command()
@click.option("--runners-up", default=20, show_default=True, help="Fastest candidates to keep.")
@click.option("--keep-days", default=30.0, show_default=True, help="Days to keep everything.")
@click.option("--keep-one-in", default=10, show_default=True, help="Share of the rest to keep.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--compact", is_flag=True, help="Give the space back to the disk; locks SQLite.")
@_json
@click.pass_obj
def prune(
    obj: dict[str, Any],
    runners_up: int,
    keep_days: float,
    keep_one_in: int,
    dry_run: bool,
    compact: bool,
    as_json: bool,
) -> None:
    """Thin out old measurements; every best and its runners-up stay."""
    from db.maintenance import RetentionPolicy
    from db.maintenance import prune as thin_out

    try:
        policy = RetentionPolicy(runners_up, keep_days, keep_one_in)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with _open(obj, read_only=dry_run) as store:
        report = thin_out(store.database, policy, dry_run=dry_run)
        if compact and not dry_run:
            store.database.compact()
    would = "would remove" if dry_run else "removed"
    line = (
        f"{would} {report.removed:,} of {report.measurements:,} measurements "
        f"and {report.records_removed:,} tuning records"
    )
    _print(as_json, dataclasses.asdict(report), [line])


@db_group.command("import")
@_folder
@_arch
@click.option("--isa-level", default="", help="ISA level of a new --arch, e.g. x86-64-v4.")
@click.option("--assume-arch", is_flag=True, help="Take records that name no cpu as --arch.")
@click.option("--tvm", default="unknown", show_default=True, help="TVM the records are from.")
@click.option("--llvm", default="unknown", show_default=True, help="LLVM they are from.")
@click.option("--templates", default="none", show_default=True, help="Templates they are from.")
@_json
@click.pass_obj
def import_(
    obj: dict[str, Any],
    folder: Path,
    arch: str,
    isa_level: str,
    assume_arch: bool,
    tvm: str,
    llvm: str,
    templates: str,
    as_json: bool,
) -> None:
    """Import a TVM MetaSchedule database: both JSON files in FOLDER, one architecture."""
    from db.domain.catalog import CpuArch, Toolchain
    from db.exchange import import_metaschedule

    with _open(obj) as store:
        report = import_metaschedule(
            store,
            folder,
            toolchain=Toolchain(tvm, llvm, templates),
            arch=CpuArch(arch, isa_level),
            assume_arch=assume_arch,
            codec=_codec(obj),
        )
    lines = [f"torn: {line}" for line in report.torn]
    lines.append(
        f"{report.inserted:,} new of {report.records:,} records of {report.workloads:,} workloads; "
        f"left out: {report.other_archs:,} of other architectures, "
        f"{report.unmeasured:,} unmeasured, {len(report.torn):,} torn lines"
    )
    _print(as_json, dataclasses.asdict(report), lines)


@db_group.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["snapshot", "metaschedule"]),
    default="snapshot",
    show_default=True,
    help="A SQLite file for serving hosts, or a folder that TVM reads.",
)
@click.option("--arch", "archs", multiple=True, help="Only this architecture.")
@click.option("--toolchain", help="Only records of this toolchain (metaschedule).")
@click.option("--measured", default=0, help="Fastest measurements to add (metaschedule).")
@_json
@click.pass_obj
def export(
    obj: dict[str, Any],
    target: Path,
    kind: str,
    archs: tuple[str, ...],
    toolchain: str | None,
    measured: int,
    as_json: bool,
) -> None:
    """Export the best records to TARGET."""
    with _open(obj, read_only=True) as store:
        if kind == "snapshot":
            from db.maintenance import export_snapshot

            snapshot = export_snapshot(store.database, target, archs=archs or None)
            line = (
                f"{snapshot.best_records:,} best records of {snapshot.model_versions:,} model "
                f"versions in {snapshot.path} ({snapshot.size / 1e6:.1f} MB)"
            )
            _print(as_json, dataclasses.asdict(snapshot), [line])
            return
        from db.exchange import export_metaschedule

        if len(archs) != 1:
            raise click.UsageError("name one --arch: TVM's database cannot hold several")
        written = export_metaschedule(
            store,
            target,
            arch=archs[0],
            toolchain=toolchain,
            measured=measured,
            codec=_codec(obj),
        )
        line = f"{written.records:,} records of {written.workloads:,} workloads in {written.folder}"
        _print(as_json, dataclasses.asdict(written), [line])


@db_group.command()
@click.argument("before", type=Moment())
@click.argument("after", type=Moment())
@click.option("--arch", help="Only this architecture.")
@click.option("--toolchain-before", metavar="KEY", help="Only records of this toolchain, before.")
@click.option("--toolchain-after", metavar="KEY", help="Only records of this toolchain, after.")
@_json
@click.pass_obj
def compare(
    obj: dict[str, Any],
    before: datetime,
    after: datetime,
    arch: str | None,
    toolchain_before: str | None,
    toolchain_after: str | None,
    as_json: bool,
) -> None:
    """Compare the best records as of two moments, the worst regression first."""
    with _open(obj, read_only=True) as store:
        changes = store.compare(
            before,
            after,
            arch=arch,
            toolchain_before=toolchain_before,
            toolchain_after=toolchain_after,
        )
    lines = [change_line(change) for change in changes]
    _print(as_json, {"changes": [describe(c) for c in changes]}, lines or ["no best records"])


@db_group.command()
@click.argument("workload")
@click.option("--arch", required=True, help="LLVM cpu name of the record.")
@click.option("--toolchain", metavar="KEY", required=True, help="Toolchain of the record.")
@click.option("--reason", required=True, help="Why, for others.")
@_json
@click.pass_obj
def rollback(
    obj: dict[str, Any], workload: str, arch: str, toolchain: str, reason: str, as_json: bool
) -> None:
    """Revoke the best record of WORKLOAD (its digest) for good; the next best stands in."""
    with _open(obj) as store:
        if not store.history(workload, arch, toolchain):
            raise click.ClickException(
                f"no best record of {workload} on {arch} with {toolchain}; list those of a model "
                "with: tunefleet lookup MODEL --batch B --json"
            )
        now = store.rollback(workload, arch, toolchain, reason)
    if now is None:
        line = "revoked; nothing stands in, the default schedule serves"
    else:
        line = f"revoked; {1e6 * now.run_secs:.2f} us of {now.recorded_at:%Y-%m-%d %H:%M} stands in"
    _print(as_json, {"best": None if now is None else dataclasses.asdict(now)}, [line])


def _codec(obj: dict[str, Any]) -> Any:
    """What knows the compiler's workloads, where the command line has it; made when needed."""
    make = obj.get("make_codec")
    return None if make is None else make()


def _open(obj: dict[str, Any], *, read_only: bool = False) -> Any:
    from db.store._open import open_sql_store

    return open_sql_store(obj["db"], create=not read_only, read_only=read_only)


def _print(as_json: bool, value: dict[str, Any], lines: Iterable[str]) -> None:
    if as_json:
        click.echo(json.dumps(value, default=_text))
    else:
        for line in lines:
            click.echo(line)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
