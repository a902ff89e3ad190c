"""The conformance suite of `db.Store`: one class that every backend subclasses.

A backend shows that it keeps the contract by a test class of its own::

    class TestMyStore(StoreConformance):
        @pytest.fixture
        def store(self) -> Iterator[Store]: ...
"""

from db.testing.conformance.best import BestConformance
from db.testing.conformance.campaigns import CampaignConformance
from db.testing.conformance.catalog import CatalogConformance
from db.testing.conformance.concurrency import ConcurrencyConformance
from db.testing.conformance.fleet import FleetConformance
from db.testing.conformance.jobs import JobConformance
from db.testing.conformance.lessons import LessonConformance
from db.testing.conformance.measurements import MeasurementConformance
from db.testing.conformance.reports import ReportConformance
from db.testing.conformance.serving import ServingConformance

__all__ = ["StoreConformance"]


class StoreConformance(
    CatalogConformance,
    CampaignConformance,
    JobConformance,
    FleetConformance,
    MeasurementConformance,
    LessonConformance,
    BestConformance,
    ReportConformance,
    ServingConformance,
    ConcurrencyConformance,
):
    """Everything a store promises; needs a fixture ``store`` that yields an empty one."""
