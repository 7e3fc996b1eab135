"""The hub: admits, orders, logs and delivers sealed alerts it cannot read."""
