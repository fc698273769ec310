"""The tables and pictures of docs/, written again from the lines beside each page; measured again where asked.

A page that shows measurements has a file of JSON lines beside it (docs/NAME.jsonl), and a module here that says by
which commands its lines are made and how tables and pictures are made of them.

examples:
  python -m benchmarks pages
  python -m benchmarks pages benchmarks --list
  python -m benchmarks pages benchmarks --measure explain grids --files models --files recordings --work made
"""

import argparse
import pkgutil
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks.pages.page import ROOT, Page
from edgexai.errors import ConfigError


def pages() -> dict[str, Page]:
    """Every page that is made of lines."""
    modules = [import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return {page.name: page for page in (getattr(m, "PAGE", None) for m in modules) if page is not None}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", nargs="*", help="names of pages, without .md (all)")
    parser.add_argument("--list", action="store_true", help="print each page's measures and their commands")
    parser.add_argument("--measure", nargs="+", metavar="NAME", help="take these measures anew first, or all")
    parser.add_argument("--files", type=Path, action="append", default=[], help="a folder of models or data; repeat")
    parser.add_argument("--work", type=Path, help="a folder for what is made on the way (a temporary one)")


def run(args: argparse.Namespace) -> int:
    known = pages()
    unknown = [name for name in args.page if name not in known]
    if unknown:
        raise ConfigError(f"no page {unknown[0]!r} is made of lines; there are {', '.join(known)}")
    for page in [known[name] for name in args.page or known]:
        if args.list:
            print(f"{page.name}\n" + "\n".join(f"  {n}: {c}" for n, cs in page.measures.items() for c in cs))
            continue
        if args.measure:
            _measured(page, args.measure, args.files, args.work)
        page.text.write_text(page.rendered(), encoding="utf-8")
        page.draw()
        print(f"{page.text.relative_to(ROOT)}: {', '.join([*page.tables, *page.pictures])}")
    return 0


def _measured(page: Page, names: list[str], files: list[Path], work: Path | None) -> None:
    chosen = list(page.measures) if names == ["all"] else names
    if unknown := [name for name in chosen if name not in page.measures]:
        raise ConfigError(f"{page.name} has no measure {unknown[0]!r}; it has {', '.join(page.measures)}")
    with tempfile.TemporaryDirectory(prefix="edgexai-") as made:
        place = (work or Path(made)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            page.keep({**page.lines(), name: page.measure(name, [f.resolve() for f in files], place)})
