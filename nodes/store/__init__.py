"""What a node keeps: one encrypted SQLite file, one thread that writes it."""
