"""The brokers that a user would pick instead, and Crossbearing, in one run on one machine: `make bench`."""
