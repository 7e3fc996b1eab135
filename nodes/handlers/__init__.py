"""Handlers take received alerts out of the node: to a command, a webhook or a folder."""
