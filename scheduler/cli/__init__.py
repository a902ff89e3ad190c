"""The command `tunefleet`."""

from __future__ import annotations

from scheduler.cli.root import cli

__all__ = ["cli", "main"]


def main() -> None:
    """Entry point of the console command."""
    cli(prog_name="tunefleet")
