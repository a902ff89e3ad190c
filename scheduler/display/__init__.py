"""Shows a campaign while it runs; everything shown is read from the database."""

from scheduler.display.doing import doing
from scheduler.display.follow import follow
from scheduler.display.lines import line_of
from scheduler.display.observe import Observer
from scheduler.display.screen import screen_of
from scheduler.display.snapshot import JobSnapshot, Snapshot

__all__ = ["JobSnapshot", "Observer", "Snapshot", "doing", "follow", "line_of", "screen_of"]
