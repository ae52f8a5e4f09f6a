"""Claims of speed, each a ratio measured in one run against a named rival: `make bench`."""
