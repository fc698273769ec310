"""What must be true of an operator before a runtime may run it: a row a kind, for files that nobody vouches for.

A TFLite runtime believes much of what a file says: a stride of 0 divides by zero, an index behind the end of a constant
is read there. Each row says how many tensors an operator has, which may be missing, and what its shapes, options and
constants must be; the output's shape is computed anew and must be the one that is told. A kind without a row is left to
`edgexai.runtime.sandbox`.
"""

from edgexai.graph.operators.check import ROWS, verify_operators

__all__ = ["ROWS", "verify_operators"]
