"""Who receives an alert: addresses, the governors' rules, and the one function that resolves both."""
