"""Rooms that bear the name of a public call can be called: ``edgexai.compress.quantize(model, samples)``."""

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def callable_room(name: str, call: Callable[..., Any]) -> None:
    """Let the package ``name`` be called as ``call`` is; ``help`` shows the call's signature."""

    class Room(ModuleType):
        __signature__ = inspect.signature(call)

        def __call__(self, *args: Any, **options: Any) -> Any:
            return call(*args, **options)

    sys.modules[name].__class__ = Room
