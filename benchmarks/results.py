"""Rows of figures on their way to a file and a terminal, and back from files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def kept(rows: Iterable[Row], output: str | Path | None, as_json: bool) -> list[Row]:
    """All rows, each appended to a file as soon as it is there, and printed if wanted as JSON."""
    found = []
    for row in rows:
        found.append(row)
        if output:
            with open(output, "a") as file:
                file.write(json.dumps(row) + "\n")
        if as_json:
            print(json.dumps(row), flush=True)
    return found


def read(paths: Iterable[str | Path]) -> list[Row]:
    """The rows of files that `kept` wrote."""
    return [json.loads(line) for path in paths for line in Path(path).read_text().splitlines()]
