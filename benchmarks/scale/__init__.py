"""How cost grows: with the log, its recipients, the size of bodies, with idle nodes, and with what waits."""
