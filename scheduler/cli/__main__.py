"""`python -m scheduler.cli`, the same as `tunefleet`."""

from scheduler.cli import main

main()
