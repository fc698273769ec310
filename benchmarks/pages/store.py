"""docs/store.md: what the fleet's store does in a second, beside plain Parquet files."""

from benchmarks import store
from benchmarks.pages.page import Page

PAGE = Page(
    "store",
    measures={"store": ("python -m benchmarks store --json",)},
    tables={"store": lambda lines: store.table(lines["store"])},
)
