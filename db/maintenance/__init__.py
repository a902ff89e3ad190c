"""Looking after a database: snapshots for serving hosts, retention, checks."""

from db.maintenance.check import check
from db.maintenance.prune import PruneReport, RetentionPolicy, prune
from db.maintenance.snapshot import SnapshotReport, export_snapshot

__all__ = [
    "PruneReport",
    "RetentionPolicy",
    "SnapshotReport",
    "check",
    "export_snapshot",
    "prune",
]
