"""What people look at: queries that join, group and page, for dashboards and reports.

Each takes a connection, so that a page is one transaction and sees one moment: pass them to
``Database.read``. Each costs what it shows, not what the database holds: none counts measurements.
"""
