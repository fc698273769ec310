"""Functions of one value or of two: activations, sums, products, softmax."""
