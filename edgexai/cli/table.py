"""A table on the terminal that can be pasted into a Markdown page."""


def show(head: list[str], rows: list[list[str]]) -> None:
    """Print with columns aligned; the first is text, the others are figures."""
    print(table(head, rows))


def table(head: list[str], rows: list[list[str]]) -> str:
    """The same as text."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        first, *others = (
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])
