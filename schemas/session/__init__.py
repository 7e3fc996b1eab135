"""The session between a node and the hub: its frames and its state machine, free of any socket."""
