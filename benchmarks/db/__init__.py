"""Figures of the shared database, and the plans behind them."""
