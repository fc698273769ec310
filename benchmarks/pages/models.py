"""docs/models.md: what happens to models that nobody here made."""

from benchmarks import zoo
from benchmarks.pages.page import Page

PAGE = Page(
    "models",
    measures={"zoo": ("python -m benchmarks zoo models --json",)},
    tables={
        "summary": lambda lines: zoo.summary(lines["zoo"]),
        "accepted": lambda lines: zoo.accepted(lines["zoo"]),
        "refused": lambda lines: zoo.refused(lines["zoo"]),
    },
)
