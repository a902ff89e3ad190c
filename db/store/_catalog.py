"""Architectures, toolchains, workloads, models and their tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from db.backend.chunks import chunks
from db.domain.catalog import CpuArch, ModelVersion, StoredModelVersion, Task, Toolchain, Workload
from db.errors import NotFound
from db.schema import catalog
from db.schema.clock import now
from db.store._part import Part, Row

_workload_columns = (
    catalog.workloads.c.digest,
    catalog.workloads.c.op_kind,
    catalog.workloads.c.name,
    catalog.workloads.c.shapes,
    catalog.workloads.c.dtype,
    catalog.workloads.c.flops,
    catalog.workloads.c.bytes,
    catalog.workloads.c.tir,
)

_versions = sa.select(
    catalog.model_versions.c.id,
    catalog.models.c.name,
    catalog.model_versions.c.digest,
    catalog.model_versions.c.source,
    catalog.model_versions.c.input_schema,
    catalog.model_versions.c.traffic,
    catalog.model_versions.c.added_at,
    catalog.model_versions.c.seen_at,
).join(catalog.models)


class Catalog(Part):
    """What is tuned, for what, and with what."""

    def add_arch(self, arch: CpuArch) -> None:
        insert = self._db.insert(catalog.cpu_archs)
        row = {"name": arch.name, "isa_level": arch.isa_level, "features": list(arch.features)}
        self._db.write(
            lambda connection: connection.execute(
                insert.on_conflict_do_nothing(index_elements=["name"]), row
            )
        )

    def archs(self) -> list[CpuArch]:
        query = sa.select(catalog.cpu_archs).order_by(catalog.cpu_archs.c.name)
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return [CpuArch(row.name, row.isa_level, tuple(row.features)) for row in rows]

    def add_toolchain(self, toolchain: Toolchain) -> str:
        insert = self._db.insert(catalog.toolchains)
        row = {
            "key": toolchain.key,
            "tvm": toolchain.tvm,
            "llvm": toolchain.llvm,
            "templates": toolchain.templates,
        }
        self._db.write(
            lambda connection: connection.execute(
                insert.on_conflict_do_nothing(index_elements=["key"]), row
            )
        )
        return toolchain.key

    def toolchains(self) -> list[Toolchain]:
        query = sa.select(catalog.toolchains).order_by(catalog.toolchains.c.id.desc())
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return [Toolchain(row.tvm, row.llvm, row.templates) for row in rows]

    def add_workloads(self, workloads: Iterable[Workload]) -> None:
        added = list(workloads)
        self._db.write(lambda connection: self._insert_workloads(connection, added))

    def workloads(self, digests: Sequence[str]) -> dict[str, Workload]:
        def body(connection: sa.Connection) -> dict[str, Workload]:
            found: dict[str, Workload] = {}
            for some in chunks(digests):
                query = sa.select(*_workload_columns).where(catalog.workloads.c.digest.in_(some))
                found.update((row.digest, Workload(*row)) for row in connection.execute(query))
            return found

        return self._db.read(body)

    def add_model_version(self, version: ModelVersion) -> int:
        def body(connection: sa.Connection) -> int:
            connection.execute(
                self._db.insert(catalog.models).on_conflict_do_nothing(index_elements=["name"]),
                {"name": version.model},
            )
            model_id = connection.execute(
                sa.select(catalog.models.c.id).where(catalog.models.c.name == version.model)
            ).scalar_one()
            row = {
                "model_id": model_id,
                "digest": version.digest,
                "source": version.source,
                "input_schema": dict(version.input_schema),
                "traffic": [list(item) for item in sorted(version.traffic.items())],
            }
            insert = self._db.insert(catalog.model_versions)
            upsert = insert.on_conflict_do_update(
                index_elements=["model_id", "digest"],
                set_={
                    "source": insert.excluded.source,
                    "input_schema": insert.excluded.input_schema,
                    "traffic": insert.excluded.traffic,
                    "seen_at": now(),
                },
            ).returning(catalog.model_versions.c.id)
            return int(connection.execute(upsert, row).scalar_one())

        return self._db.write(body)

    def models(self) -> list[StoredModelVersion]:
        # A model has few versions; picking the latest here keeps the query the same everywhere.
        query = _versions.order_by(
            catalog.models.c.name,
            catalog.model_versions.c.seen_at,
            catalog.model_versions.c.id,
        )
        rows = self._db.read(lambda connection: connection.execute(query).all())
        return list({row.name: _stored(row) for row in rows}.values())

    def model_version(self, model: str | int) -> StoredModelVersion:
        if isinstance(model, int):
            query = _versions.where(catalog.model_versions.c.id == model)
        else:
            query = (
                _versions.where(catalog.models.c.name == model)
                .order_by(
                    catalog.model_versions.c.seen_at.desc(), catalog.model_versions.c.id.desc()
                )
                .limit(1)
            )
        row = self._db.read(lambda connection: connection.execute(query).first())
        if row is None:
            raise NotFound(f"unknown model {model!r}; add it with `tunefleet models add`")
        return _stored(row)

    def set_tasks(self, model_version: int, arch: str, bucket: int, tasks: Iterable[Task]) -> None:
        wanted = {task.workload.digest: task for task in tasks}
        # In a transaction of their own: their ids may be remembered only once they are committed.
        self.add_workloads(task.workload for task in wanted.values())

        def body(connection: sa.Connection) -> None:
            arch_id = self._archs.one(connection, arch)
            ids = self._workloads.require(connection, list(wanted))
            self._lock_version(connection, model_version)
            connection.execute(
                sa.delete(catalog.tasks).where(*_of_bucket(model_version, arch_id, bucket))
            )
            rows = [
                {
                    "model_version_id": model_version,
                    "arch_id": arch_id,
                    "bucket": bucket,
                    "workload_id": ids[digest],
                    "calls": task.calls,
                    "weight": task.weight,
                }
                for digest, task in wanted.items()
            ]
            if rows:
                connection.execute(sa.insert(catalog.tasks), rows)

        self._db.write(body)

    def tasks(self, model_version: int, arch: str, bucket: int) -> list[Task]:
        table = catalog.tasks

        def body(connection: sa.Connection) -> list[Task]:
            arch_id = self._archs.find_one(connection, arch)
            if arch_id is None:
                return []
            query = (
                sa.select(table.c.calls, table.c.weight, *_workload_columns)
                .join(catalog.workloads)
                .where(*_of_bucket(model_version, arch_id, bucket))
                .order_by((table.c.calls * table.c.weight).desc(), catalog.workloads.c.digest)
            )
            return [
                Task(Workload(*described), calls=calls, weight=weight)
                for calls, weight, *described in connection.execute(query)
            ]

        return self._db.read(body)

    def buckets(self, model_version: int, arch: str) -> list[int]:
        table = catalog.tasks

        def body(connection: sa.Connection) -> list[int]:
            arch_id = self._archs.find_one(connection, arch)
            if arch_id is None:
                return []
            query = (
                sa.select(table.c.bucket)
                .distinct()
                .where(table.c.model_version_id == model_version, table.c.arch_id == arch_id)
                .order_by(table.c.bucket)
            )
            return list(connection.execute(query).scalars())

        return self._db.read(body)

    def _insert_workloads(self, connection: sa.Connection, added: Sequence[Workload]) -> None:
        # Sorted, so that two processes adding the same ones never wait for each other in a ring.
        rows = [
            {
                "digest": workload.digest,
                "op_kind": workload.op_kind,
                "name": workload.name,
                "shapes": workload.shapes,
                "dtype": workload.dtype,
                "flops": float(workload.flops),
                "bytes": float(workload.bytes),
                "tir": workload.tir,
            }
            for workload in sorted(added, key=lambda workload: workload.digest)
        ]
        if rows:
            insert = self._db.insert(catalog.workloads)
            connection.execute(insert.on_conflict_do_nothing(index_elements=["digest"]), rows)

    def _lock_version(self, connection: sa.Connection, model_version: int) -> None:
        # Two processes replacing the tasks of one version take turns.
        query = (
            sa.select(catalog.model_versions.c.id)
            .where(catalog.model_versions.c.id == model_version)
            .with_for_update()
        )
        if connection.execute(query).first() is None:
            raise NotFound(f"unknown model version {model_version}; add it with add_model_version")


def _of_bucket(model_version: int, arch_id: int, bucket: int) -> tuple[sa.ColumnElement[bool], ...]:
    table = catalog.tasks
    return (
        table.c.model_version_id == model_version,
        table.c.arch_id == arch_id,
        table.c.bucket == bucket,
    )


def _stored(row: Row) -> StoredModelVersion:
    return StoredModelVersion(
        id=row.id,
        model=row.name,
        digest=row.digest,
        source=row.source,
        input_schema=row.input_schema,
        traffic={int(bucket): float(share) for bucket, share in row.traffic},
        added_at=row.added_at,
        seen_at=row.seen_at,
    )
