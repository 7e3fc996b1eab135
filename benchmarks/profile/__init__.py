"""Where the processor time of a delivery goes, stage by stage, at the hub, the sender and the recipients."""
