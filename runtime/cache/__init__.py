"""What was compiled before, on disk: shared by processes, checked, bounded in size."""

from runtime.cache.files import DiskCache, NoCache
from runtime.cache.keys import bucket_key, graph_key, workloads_key

__all__ = ["DiskCache", "NoCache", "bucket_key", "graph_key", "workloads_key"]
