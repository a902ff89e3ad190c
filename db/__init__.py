"""The shared log database: schema, store, leases, migrations, and the plain dataclasses everyone passes around."""
