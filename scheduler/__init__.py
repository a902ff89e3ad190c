"""Campaigns, budgets, fan-out over workers, and the command line."""
