"""Campaigns that return: when they are due, what a night tunes, and what came of it."""
