"""Passes over the Relax graph: from an import to one module of fused kernels per batch bucket."""
