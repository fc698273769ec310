"""Which files of kernels a model's steps reach: what a linker takes of them, nearly, where there is none to ask."""

import re
from collections.abc import Iterable
from functools import cache

from converters.c99.hand_written import kernels

DEFINED = re.compile(r"^(?!static)[a-z]\w*[ *]+(exai_\w+)\([^;{]*\) *\{", re.MULTILINE)
CALLED = re.compile(r"\bexai_\w+(?=\()")


@cache
def _files() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Files that define a function, and functions that a file calls."""
    defining: dict[str, set[str]] = {}
    calling: dict[str, set[str]] = {}
    for name, file in kernels().items():
        if name.endswith(".c"):
            text = file.read_text("utf-8")
            calling[name] = set(CALLED.findall(text))
            for function in DEFINED.findall(text):
                defining.setdefault(function, set()).add(name)
    return defining, calling


def reached(functions: Iterable[str]) -> set[str]:
    """The files of these functions, and of all that their files call."""
    defining, calling = _files()
    todo, found = set(functions), set[str]()
    while todo:
        fresh = defining.get(todo.pop(), set()) - found
        found |= fresh
        todo |= set[str]().union(*(calling[file] for file in fresh))
    return found
