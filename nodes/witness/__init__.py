"""A witness: cosigns the checkpoints of any log, each only if it continues the one cosigned before."""
