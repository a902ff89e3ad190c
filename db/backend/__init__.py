"""What differs between the databases: opening, writing, locking, and what their errors mean."""
