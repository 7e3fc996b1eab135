"""Files on removable media, at the hub: what agencies bring is taken in, what waits for them is written."""
