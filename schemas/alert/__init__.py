"""The plaintext alert: its types, its checks, its form on the wire and in an officer's file."""
