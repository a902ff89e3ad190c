"""Records in and out, in the formats of others."""

from db.exchange.codec import EncodedWorkload, PlainCodec, WorkloadCodec
from db.exchange.metaschedule_export import ExportReport, export_metaschedule
from db.exchange.metaschedule_import import ImportReport, import_metaschedule

__all__ = [
    "EncodedWorkload",
    "ExportReport",
    "ImportReport",
    "PlainCodec",
    "WorkloadCodec",
    "export_metaschedule",
    "import_metaschedule",
]
