"""The tables. Only ``db upgrade`` changes a database to match them."""

from db.schema import catalog, queue, records, serving
from db.schema.base import HEAD, metadata

__all__ = ["HEAD", "catalog", "metadata", "queue", "records", "serving"]
