"""Decisions of the scheduler: pure functions, no input and no output; callers act."""
