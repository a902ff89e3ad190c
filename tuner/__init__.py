"""Everything about one kernel: import, workloads, templates, search, building, measuring."""
