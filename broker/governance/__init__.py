"""The ceremonies of the governors: from a readable source file to signed directory versions."""
