"""Bundles: what a process without Python serves a model from.

A bundle is a folder::

    manifest.json               says what the model takes and returns, and which files serve it
    code-<digest>.so            one bucket's code on one CPU architecture
    weights-<digest>.bin        packed weights of one CPU architecture, to be mapped

Files are named by what is in them and never change. A new version is written beside the old one,
its manifest last and by renaming, so that a reader sees the one or the other, never half of each.
"""

from runtime.bundle.export import Exported, export
from runtime.bundle.folder import BundleFolder
from runtime.bundle.manifest import SCHEMA, BundleError

__all__ = ["SCHEMA", "BundleError", "BundleFolder", "Exported", "export"]
