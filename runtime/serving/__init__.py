"""Models over HTTP from Python, by the Open Inference Protocol v2: for development.

What production serves with is `runtime/cpp`, by the same protocol; see docs/serving.md.
"""

from runtime.serving.app import create_app
from runtime.serving.served import ServedModel

__all__ = ["ServedModel", "create_app"]
