"""Benchmarks of the fleet: scheduling, slots, builds beside measurements."""
