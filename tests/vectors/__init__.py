"""Test vectors: those others published, and ours with their generator."""
