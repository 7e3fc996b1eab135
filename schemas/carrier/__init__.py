"""Files that carry one half of a session on removable media. See docs/spec/carrier.md."""
