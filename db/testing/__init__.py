"""What tests of this package, and of packages on top of it, need: builders, servers, the suite."""
