"""The agreement: everything two parties must read alike. Pure: no I/O, no clock, no logging."""
