"""Faults that are made on purpose around a running node, and whether it recovers by itself."""
