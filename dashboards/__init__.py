"""The web dashboard over the log database; it reads and never writes."""
