"""What serving processes say of themselves."""

from __future__ import annotations

import sqlalchemy as sa

from db.domain.serving import LOOKUP_KINDS, Serving
from db.errors import NotFound
from db.schema import catalog, serving
from db.schema.clock import now
from db.store._part import Part

servings, buckets = serving.servings, serving.serving_buckets


class Servings(Part):
    """Who serves what, and what lookups found there."""

    def note_serving(self, told: Serving) -> None:
        versions = catalog.model_versions
        version = (
            sa.select(versions.c.id)
            .where(versions.c.digest == told.digest)
            .order_by(versions.c.seen_at.desc(), versions.c.id.desc())
            .limit(1)
        )
        insert = self._db.insert(servings)
        refreshed = insert.excluded.refreshes > servings.c.refreshes
        upsert = insert.on_conflict_do_update(
            index_elements=["process", "model_version_id", "arch_id"],
            set_={
                "refreshes": insert.excluded.refreshes,
                "refreshed_at": sa.case((refreshed, now()), else_=servings.c.refreshed_at),
                "seen_at": now(),
            },
        ).returning(servings.c.id)

        def body(connection: sa.Connection) -> None:
            version_id = connection.execute(version).scalar()
            if version_id is None:
                raise NotFound(f"unknown graph {told.digest[:16]}; add it with add_model_version")
            values = {
                "process": told.process,
                "host": told.host,
                "model_version_id": version_id,
                "arch_id": self._archs.one(connection, told.arch),
                "refreshes": told.refreshes,
                "refreshed_at": now() if told.refreshes else None,
            }
            id_ = connection.execute(upsert.values(values)).scalar_one()
            # Buckets come and go with the graph; what is told is all there is.
            connection.execute(sa.delete(buckets).where(buckets.c.serving_id == id_))
            rows = [
                {
                    "serving_id": id_,
                    "bucket": of.bucket,
                    "calls": of.calls,
                    **{f"by_{kind}": of.kernels.get(kind, 0) for kind in LOOKUP_KINDS},
                }
                for of in told.buckets
            ]
            if rows:
                connection.execute(sa.insert(buckets), rows)

        self._db.write(body)
