"""The transparency log: hashing, proofs, tiles, notes, checkpoints, entries and receipts."""
