"""Fakes and conformance suites: search, jobs and fleets without a compiler.

`tuner.testing.conformance` holds the suites; it needs pytest, the rest does not.
"""

from tuner.testing.fakes import FakeBuilder, FakeMeasurer
from tuner.testing.latencies import Latencies, RecordedLatencies, SyntheticLatencies

__all__ = [
    "FakeBuilder",
    "FakeMeasurer",
    "Latencies",
    "RecordedLatencies",
    "SyntheticLatencies",
]
