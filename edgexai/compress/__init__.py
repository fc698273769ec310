"""Smaller models from relevance: measure, prune, repair, quantize, and all of it to one budget.

The room bears the name of the public call, so it can be called: ``edgexai.compress(model, samples, budget)``.
"""

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        """See `edgexai.compress.budget.compress`."""
        from edgexai.compress.budget import compress

        return compress(*args, **options)


sys.modules[__name__].__class__ = _Room
