"""Fuzzing of everything that reads what others wrote: `./run fuzz`, and a minute of it as tests."""
