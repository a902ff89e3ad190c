"""What can keep a campaign from running."""

from __future__ import annotations


class ExecutorError(Exception):
    """The workers cannot go on; the text says why and what to do next."""
