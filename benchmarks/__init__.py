"""Figures: each module prints one table, measured in one run; see ``python -m benchmarks``."""
