"""The command line of the liaison officer; it talks to the node over its local socket only."""
