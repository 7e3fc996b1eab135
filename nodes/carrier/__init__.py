"""Files on removable media, at a node: what waits is written for the hub, what the hub wrote is taken in."""
