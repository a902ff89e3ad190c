"""Models to try tunefleet with; none of them imports it.

Each module builds one small ranking model, writes it in the form production ships models in, and
makes random inputs for it. ``tunefleet demo`` uses :mod:`examples.dlrm`.
"""
