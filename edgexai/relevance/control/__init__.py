"""Operators that hold other graphs: loops, branches, compositions."""
