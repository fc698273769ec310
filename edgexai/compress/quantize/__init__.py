"""Fewer bits: int8, int16×8, int4, clustered weights."""
