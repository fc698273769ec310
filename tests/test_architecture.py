"""The arrows of the design: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "edgexai.errors": set(),
    "edgexai.checks": {"errors"},
    "edgexai.quiet": set(),
    "edgexai.private": set(),
    "edgexai.toml": set(),
    "edgexai.npy": {"errors"},
    "edgexai.archive": set(),
    "edgexai.extras": set(),
    "edgexai.named": {"errors"},
    "edgexai.units": {"errors"},
    "edgexai.data": {"errors", "named", "npy", "runtime", "units"},
    "edgexai.board": {"errors", "firmware_profiles", "toml"},
    "edgexai.profile": {"errors"},
    "edgexai.intervention": {"errors"},
    "edgexai.graph": {"archive", "checks", "errors"},
    "edgexai.relevance": {"checks", "errors", "graph", "quiet", "toml"},
    "edgexai.compress": {
        *(
            "board",
            "checks",
            "converters",
            "errors",
            "firmware_profiles",
            "graph",
            "named",
            "profile",
            "quiet",
            "relevance",
            "runtime",
            "transit",
            "units",
        ),
    },
    "edgexai.heatmap": {"checks", "errors"},
    "edgexai.messaging": {"errors"},
    "edgexai.transit": {"errors"},
    "edgexai.runtime": {"archive", "checks", "errors", "extras", "named", "profile", "quiet", "units"},
    "edgexai.agent": {
        *("board", "data", "errors", "firmware_profiles", "heatmap", "intervention", "messaging", "npy", "runtime"),
        *("private", "toml"),
    },
    "edgexai.fleet": {"errors", "heatmap", "intervention", "messaging", "npy", "private", "profile"},
    "edgexai.audit": {
        *("board", "compress", "data", "errors", "firmware_profiles", "fleet", "graph", "heatmap", "profile"),
        *("intervention", "messaging", "relevance", "runtime", "units"),
    },
    "converters": {"board", "errors", "graph", "relevance"},
    "firmware_profiles": set(),
}


def room_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "edgexai" else parts[0]


def imports() -> list[tuple[str, str]]:
    """(module, imported room) for every import of our own packages, also those inside functions."""
    found = []
    for package in ("edgexai", "converters", "firmware_profiles"):
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [a.name for a in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    names = (
                        [f"{node.module}.{a.name}" for a in node.names] if node.module == "edgexai" else [node.module]
                    )
                ours = [n for n in names if n.split(".")[0] in ("edgexai", "converters", "firmware_profiles")]
                found += [(module, room_of(n)) for n in ours]
    return found


def test_every_import_follows_an_arrow_of_the_design() -> None:
    wrong = []
    for module, target in imports():
        room = room_of(module)
        if room in ("edgexai", "edgexai.cli", "edgexai.__main__") or target in (room, "edgexai._version"):
            continue
        if target.removeprefix("edgexai.") not in MAY_IMPORT.get(room, set()):
            wrong.append(f"{module} imports {target}")
    assert not wrong


def test_every_room_is_in_the_table() -> None:
    rooms = {room_of(module) for module, _ in imports()}
    assert rooms - {"edgexai", "edgexai.cli", "edgexai.__main__", "edgexai._version"} <= set(MAY_IMPORT)


@pytest.mark.parametrize(
    "module", ["edgexai", "edgexai.runtime.explainer", "edgexai.heatmap", "edgexai.transit", "edgexai.cli"]
)
def test_a_node_imports_nothing_heavy(module: str) -> None:
    heavy = [
        "tensorflow",
        "keras",
        "flatbuffers",
        "deltalake",
        "duckdb",
        "pyarrow",
        "matplotlib",
        "PIL",
        "cryptography",
        "google.protobuf",
        "edgexai.graph",
    ]
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def module_imports() -> dict[str, set[str]]:
    """Which modules each of our modules imports, functions' own imports included."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in ("edgexai", "converters", "firmware_profiles")
        for path in (ROOT / package).rglob("*.py")
    }
    arrows: dict[str, set[str]] = {}
    for module, path in files.items():
        targets: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                targets |= {a.name for a in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                targets |= {
                    f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in files else node.module for a in node.names
                }
        arrows[module] = (targets & set(files)) - {module}
    return arrows


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """The modules of one circle of imports, in order; none if there is none."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        found = next((c for c in (walk(n, [*path, module]) for n in sorted(arrows[module])) if c), [])
        done.add(module)
        return found

    return next((c for c in (walk(m, []) for m in sorted(arrows)) if c), [])


def test_no_files_import_each_other_in_a_circle() -> None:
    arrows = module_imports()
    # the package itself is the contract: it names everything, on first use, and nothing imports it for that
    arrows = {m: targets - {"edgexai"} for m, targets in arrows.items()}
    assert circle(arrows) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]


def test_arrays_are_read_in_one_place_alone() -> None:
    """`numpy.load` believes what a file says of its size; `edgexai.npy` does not."""
    found = [
        str(path.relative_to(ROOT))
        for package in ("edgexai", "converters")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == "load"
        and isinstance(node.value, ast.Name)
        and node.value.id in ("np", "numpy")
    ]
    assert found == []


MOST_PARAMETERS = {"edgexai.fleet": 6, "edgexai": 8}
NAMED = {"edgexai.heatmap.encoding.encode", "edgexai.relevance.attach.attach"}
"""What users call with names alone: what a frame says, and what an explainer is asked for."""


def test_no_function_takes_more_than_a_handful() -> None:
    many = []
    for path in sorted((ROOT / "edgexai").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        most = next(most for room, most in MOST_PARAMETERS.items() if module.startswith(room))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                named = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                if len([n for n in named if n not in ("self", "cls")]) > most:
                    many.append(f"{module}.{node.name}")
    assert set(many) == NAMED
