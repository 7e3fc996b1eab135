"""The auditor: verifies the log offline, and imports nothing of the broker or the node."""
