"""Which channels of a model belong together: labels that follow every single channel through the operators."""
