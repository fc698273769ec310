"""Operators that move, pick, join or pool values."""
