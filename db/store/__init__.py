"""The store: its contract, and the one implementation that serves both databases."""
