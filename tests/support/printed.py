"""The commands that README, docs and `--help` print, and the files that they name, made small on the spot."""

import argparse
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from detectors import segmentation, ssd
from PIL import Image
from shared import ROOT
from tflite_metadata import described

import edgexai
from edgexai.cli import VERBS, parser_of
from edgexai.compress.quantize.cluster import cluster
from edgexai.compress.quantize.exq import in_transit
from edgexai.compress.quantize.int8 import quantize
from edgexai.runtime.preprocessing import ENTRY

GOLDEN = ROOT / "tests" / "golden" / "cnn"
FENCE = re.compile(r"```(?:sh|bash|console|shell)?\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One printed command: where it stands, its words, and whether words were left out (…)."""

    where: str
    words: tuple[str, ...]
    shortened: bool = False

    def __str__(self) -> str:
        return f"{self.where}: edgexai {shlex.join(self.words)}"


def printed() -> list[Command]:
    """All of them, each once."""
    texts = {page.relative_to(ROOT).as_posix(): _blocks(page.read_text()) for page in _pages()}
    for verb in VERBS:
        module = import_module(f"edgexai.cli.{verb}")
        for parser in _parsers(parser_of(verb, module)):
            texts[f"{parser.prog} --help"] = parser.description or ""
    found: dict[tuple[str, ...], Command] = {}
    for where, text in texts.items():
        for command in _commands(where, text):
            found.setdefault(command.words, command)
    return list(found.values())


def _pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _blocks(text: str) -> str:
    """Code that a reader copies: fenced as shell, or indented."""
    fenced = "\n".join(FENCE.findall(text))
    indented = "\n".join(line for line in FENCE.sub("", text).splitlines() if line.startswith("    "))
    return f"{fenced}\n{indented}"


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _parsers(inner)


def _commands(where: str, text: str) -> Iterator[Command]:
    """Lines that begin with `edgexai`, with what follows a backslash or stands deeper below."""
    joined = re.sub(r"\\\n\s*", " ", text)
    joined = re.sub(r"\n\s{8,}(--\S)", r" \1", joined)
    for line in joined.splitlines():
        match = re.match(r"^\s*(?:\$ )?(?:[\w-]+ \| )?(?:\.venv/bin/)?edgexai (.*)$", line)
        if match is None:
            continue
        rest = re.split(r"\s+#\s|\s{2,}(?![-'])|\s\|\s|\s>\s|\s>>\s|\s&$|;\s", match[1])[0]
        try:
            words = shlex.split(rest)
        except ValueError:
            words = rest.split()
        shortened = any("…" in word for word in words)
        words = [word for word in words if "…" not in word]
        if words and words[0] in VERBS:
            yield Command(where, tuple(words), shortened)


def samples(count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the small model, and classes."""
    known = np.load(GOLDEN / "golden.npz")["x"]
    random = np.random.default_rng(0)
    x = np.concatenate([known, random.normal(size=(count - len(known), *known.shape[1:])).astype(np.float32)])
    return x, random.integers(0, 3, count)


KINDS = {
    "birds": "birds",
    "explain": "explain",
    "what": "what",
    "float": "float",
    "detector": "detector",
    "ssd": "detector",
    "segmenter": "segmenter",
    "deeplab": "segmenter",
}
"""Which of the networks stands under a model's name."""


def furnish(folder: Path) -> None:
    """Every file that the commands name: a small network under each model's name, its samples under each data set's."""
    x, y = samples()
    real = edgexai.load(GOLDEN / "model.tflite")
    small = quantize(real, x)
    clustered = cluster(small, x, price=1e-3, bits=5)
    names = {"labels.txt": b"a\nb\n" + b"other\n" * 8}
    described_one = replace(small, metadata={**small.metadata, ENTRY: described([127.5], [64.0])}, files=names)
    models = {
        "float": real,
        "int8": small,
        "birds": edgexai.attach(described_one),
        "explain": edgexai.attach(small),
        "what": edgexai.attach(small, concepts="auto"),
        "detector": ssd(),
        "segmenter": segmentation(20, softmax=True),
    }
    for name, graph in models.items():
        edgexai.save(graph, folder / f"_{name}.tflite")
    np.savez(folder / "_.npz", x=x, y=y, group=y % 2)
    edgexai.profile_relevance(small, x).save(folder / "_.profile")
    (folder / "_.exq").write_bytes(in_transit(clustered))
    for command in printed():
        for word in command.words:
            path = Path(word)
            if path.suffix == ".tflite":
                kind = next((kind for known, kind in KINDS.items() if known in path.name), "int8")
                shutil.copy(folder / f"_{kind}.tflite", folder / path.name)
            elif path.suffix in (".npz", ".profile", ".exq"):
                shutil.copy(folder / f"_{path.suffix}", folder / path.name)
    for number in range(4):
        place = folder / "photos" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 20, 3), 60 * number, np.uint8)).save(place / f"{number}.png")
    if find_spec("tensorflow"):
        _furnish_keras(folder, x)
    if find_spec("cryptography"):
        _furnish_keys(folder)
    (folder / "store").mkdir(exist_ok=True)
    (folder / "store" / "journal.db").touch()
    (folder / "birds.txt").write_text("\n".join("abcdefghij"))
    (folder / "mine.toml").write_text('[[line]]\nrule = "epsilon"\n')
    own = {"fleet": "line3", "node": "press7", "model": "kws_explain.tflite", "data": "clips.npz"}
    agent = "\n".join(f'{key} = "{value}"' for key, value in own.items())
    (folder / "agent.toml").write_text(f'[agent]\n{agent}\n[broker]\nurl = "mqtt://127.0.0.1:1883"\n')


def _furnish_keys(folder: Path) -> None:
    """The key that an auditor signs with, and the public one."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, private = Ed25519PrivateKey.generate(), folder / "auditor.key"
    private.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    private.chmod(0o600)
    public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    (folder / "auditor.pub").write_bytes(public)


def _furnish_keras(folder: Path, x: np.ndarray) -> None:
    """A small Keras model under each name, as a file and as a SavedModel."""
    import keras

    layers = [keras.Input(x.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential(layers)
    for command in printed():
        for path in map(Path, command.words):
            if path.suffix == ".keras":
                model.save(folder / path.name)
    model.export(folder / "saved_model", verbose=False)


ALONE = {"agent", "attach", "audit", "basis", "bench", "compress", "convert", "cost", "explain", "firmware", "fleet"}
ALONE |= {"profile", "prune", "quantize", "restore"}
"""Verbs whose commands need no more than these files; `demo` is run by tests/cli/test_demo.py."""
ELSEWHERE = {
    "--store store": "tests/audit fills a store first",
    "x86_64_vnni": "the small network has fewer channels than lanes; tests/compress prunes larger ones to them",
}
WANTS = {
    "--pdf": "weasyprint",
    "--sign": "cryptography",
    "verify": "cryptography",
    "convert": "tensorflow",
    "--spark": "pyspark",
}
"""What a command needs that not every workstation has."""
SLOW = {"--distill", "--calibration", "--keep-explanations", "--int4", "--rivals"}


def install_of(command: Command) -> str:
    """The install that a command is printed for: node, server, workstation, or all of it.

    Pictures are drawn and folders of them read on a workstation. An audit reads a fleet's store, and what is held
    against TFLite Micro wants its wheel: these have more than a workstation.
    """
    verb, words = command.words[0], {*command.words}
    if verb == "audit" or "micro" in words or (verb == "firmware" and "--samples" in words):
        return "all"
    if "--picture" in words:
        return "workstation"
    return "node" if verb in ("agent", "explain", "restore") else "server" if verb == "fleet" else "workstation"


def is_furnished(command: Command) -> bool:
    """Whether this machine has what it wants beside an install."""
    wanted = [package for word, package in WANTS.items() if word in command.words]
    return all(map(find_spec, wanted)) and ("pyspark" not in wanted or shutil.which("java") is not None)


def runs_alone(command: Command, slow: bool = False) -> bool:
    """Without a broker, a page that stays, a training; ``slow`` also what takes more than some seconds.

    What needs a broker or a store is run by tests/fleet/test_printed.py.
    """
    verb, words = command.words[0], command.words
    if command.shortened or verb not in ALONE or any(known in str(command) for known in ELSEWHERE):
        return False
    if not is_furnished(command):
        return False
    if verb == "fleet":
        return words[1:2] == ("enrol",) and ".csr" not in str(command)
    if verb == "agent":
        return words[1:] == ("init",) or "--dry-run" in words
    return slow or not (verb in ("bench", "compress") or SLOW & {*words})


def placed(command: Command, folder: Path) -> list[str]:
    """Its words, absolute paths moved into the folder."""
    return [f"{folder}{word}" if word.startswith("/") else word for word in command.words]
