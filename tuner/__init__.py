"""Everything about one kernel: import, workloads, templates, search, building and measuring one candidate."""
