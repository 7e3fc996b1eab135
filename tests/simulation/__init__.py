"""The whole exchange in one process, on a simulated clock, network and disk, from one seed. See docs/simulation.md."""
