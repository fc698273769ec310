"""Smaller models from relevance: measure, prune, repair, quantize, and all of it to one budget."""
