"""Layers with weights: how each is gone back through; `linear.py` is what they share."""
