"""Fuzzing of every parser of signed text: what each must hold to for any bytes, a harness, and the corpus found."""
