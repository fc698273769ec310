"""A report on a model for those who approve it: sixteen sections, each figure with how it was obtained.

What was not given is not claimed: the section says "not assessed", and so does the summary.

examples:
  edgexai audit init      (writes audit.toml: what a machine cannot know)
  edgexai audit kws_int8.tflite --data train.npz --test test.npz -o audit.html
  edgexai audit kws_int8.tflite --test test.npz --groups sites.npz --board nucleo_l4r5zi --store store -o audit.html
  edgexai audit small.tflite --test test.npz --against big.tflite -o audit.html --pdf audit.pdf --json audit.json
  edgexai audit kws_int8.tflite --test test.npz --sign auditor.key     (audit.html and audit.html.sig)
  edgexai audit verify audit.html --key auditor.pub
"""

import argparse
import json
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai import npy
from edgexai.audit.evidence import Evidence
from edgexai.audit.outputs import Kind
from edgexai.audit.page import html
from edgexai.audit.questions import answers, blank
from edgexai.audit.report import Report, unassessed
from edgexai.audit.sections import report
from edgexai.audit.sign import sign, usable, verify
from edgexai.board import load_board
from edgexai.cli.options import known_file, known_path, known_store, new_path
from edgexai.cli.samples import data_options, input_of, prepared
from edgexai.compress.measure.execute import quantized, real
from edgexai.data import read
from edgexai.errors import ConfigError, DataError
from edgexai.graph import load

ANSWERS = "audit.toml"
NO_PART = ("help", "output", "json", "pdf", "sign", "key")
"""Options that change where the report goes, and nothing in it."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help='a .tflite model; "init" to write audit.toml; or "verify"')
    parser.add_argument("signed", nargs="?", type=Path, metavar="REPORT", help="with verify: a signed report")
    parser.add_argument("--data", metavar="FILE", help="what it was trained or calibrated with")
    parser.add_argument("--test", metavar="FILE", help="held-out samples with labels")
    parser.add_argument("--groups", type=known_file, metavar="FILE", help=".npz with group (N,): of each test sample")
    parser.add_argument("--board", help="a board's name, or a .toml file of one")
    parser.add_argument("--store", type=known_store, help="the fleet's store")
    parser.add_argument("--against", type=known_path, help="the model before compression, or trained otherwise")
    parser.add_argument("--answers", metavar="TOML", help=f"answered questions ({ANSWERS}, if it is there)")
    parser.add_argument("-o", "--output", type=new_path, default="audit.html", help="the report (%(default)s)")
    parser.add_argument(
        "--json", metavar="FILE", type=new_path, help="the same for machines, with the bill of materials"
    )
    parser.add_argument("--pdf", metavar="FILE", type=new_path, help="the same on pages")
    parser.add_argument(
        "--sign", metavar="KEY", type=Path, help="an Ed25519 private key (PEM): writes FILE.sig beside each file"
    )
    parser.add_argument("--key", metavar="PUB", type=Path, help="with verify: the public key (PEM) of who signed")
    data_options(parser)


def run(args: argparse.Namespace) -> int:
    if args.model == "init":
        return _init(Path(args.answers or ANSWERS))
    if args.model == "verify":
        return _verify(args.signed, args.key)
    if args.signed is not None:
        raise ConfigError(f"one model at a time; {args.signed} is one too many")
    if not (args.data or args.test):
        raise ConfigError("there are no samples; give --test, --data or both")
    if args.sign:
        usable(args.sign)
    if args.pdf is not None:
        import_module("weasyprint")  # what is missing is told before anything is measured
    found = report(_evidence(args))
    write(found, args.output, args.json, args.pdf)
    for path in (args.output, args.json, args.pdf) if args.sign else ():
        if path is not None:
            print(f"{sign(path, args.sign)}: signed")
    gaps = unassessed(found.sections)
    print(f"{args.output}: {sum(len(s.figures) for s in found.sections)} figures; {len(gaps)} points not assessed")
    return 0


def write(found: Report, page: Path, machine: Path | None = None, paper: Path | None = None) -> None:
    """The report as HTML, and as JSON and PDF where asked."""
    page.write_text(html(found), encoding="utf-8")
    if machine is not None:
        machine.write_text(json.dumps(found.as_json(), indent=1, ensure_ascii=False), encoding="utf-8")
    if paper is not None:
        from weasyprint import HTML

        HTML(string=html(found)).write_pdf(paper)


def _init(path: Path) -> int:
    if path.exists():
        raise ConfigError(f"{path} is there already; answer its questions, or take it away first")
    path.write_text(blank(), encoding="utf-8")
    print(f"{path}: answer what you can; what stays empty is reported as not assessed")
    return 0


def _verify(path: Path | None, key: Path | None) -> int:
    if path is None or key is None:
        raise ConfigError("say which report and whose key: edgexai audit verify audit.html --key auditor.pub")
    verify(path, key)
    print(f"{path}: as the owner of {key} signed it")
    return 0


def _evidence(args: argparse.Namespace) -> Evidence:
    prepare = prepared(args, args.model)
    graph = load(args.model)
    if len(graph.inputs) != 1:
        raise ConfigError(f"{args.model} has {len(graph.inputs)} inputs; only models with one are audited")
    port = input_of(graph)

    def samples(path: str | None) -> tuple[NDArray[Any], NDArray[Any] | None] | None:
        found = None if path is None else read(path, port, prepare)
        return None if found is None else (found.x, found.y)

    data, test = samples(args.data), samples(args.test)
    given = test or data
    assert given is not None
    groups = _groups(args.groups, len(given[0])) if args.groups else None
    said = answers(args.answers or ANSWERS) if args.answers or Path(ANSWERS).exists() else {}
    board = load_board(args.board) if args.board else None
    found = Evidence(
        Path(args.model), data, test, groups, board, args.store, args.against, said, prepare.labels, _command(args)
    )
    _comparable(found)
    return found


def _comparable(evidence: Evidence) -> None:
    """DataError, before anything is measured, for labels that are none of this model or another model's samples."""
    if evidence.has_classes:
        assert evidence.y is None or len(evidence.y)
    elif evidence.kind is Kind.NUMBER:
        assert evidence.truth is None or len(evidence.truth)
    if evidence.against is None:
        return
    try:
        quantized(load(evidence.against), real(evidence.graph, evidence.graph.inputs[0], evidence.x[:1]))
    except DataError as error:
        raise DataError(f"{evidence.against} is no model for these samples: {error}") from None


def _groups(path: str, count: int) -> NDArray[np.str_]:
    found = npy.members(Path(path), ["group"])
    if "group" not in found:
        raise DataError(f"{path} has no array group; save it with numpy.savez('{Path(path).name}', group=…)")
    groups = found["group"].astype(np.str_)
    if groups.shape != (count,):
        raise DataError(f"{path} names {groups.size} groups for {count} samples; give one a sample")
    return groups


def _command(args: argparse.Namespace) -> str:
    """What makes the report again: every option that its figures and sentences depend on."""
    words = ["edgexai", "audit", args.model]
    usual = argparse.ArgumentParser()
    arguments(usual)
    for action in usual._actions:
        value = getattr(args, action.dest, None)
        if action.dest == "answers" and value is None and Path(ANSWERS).exists():
            value = ANSWERS
        if action.option_strings and action.dest not in NO_PART and value not in (None, action.default):
            words += [action.option_strings[-1], str(value)]
    return shlex.join(words)
