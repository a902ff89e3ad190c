"""Kernel lookup, JIT compilation, batch dispatch and refresh: what production loads."""
