"""Fuzzing of every decoder of what others wrote: what each holds to for any bytes, a harness, and the corpus found."""
