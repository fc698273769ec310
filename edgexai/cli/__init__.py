"""The ``edgexai`` command: one verb a public call, and nothing that the library does not do.

A verb is a module of this package with ``arguments(parser)`` and ``run(args)``; only the verb that is called
is imported, so that ``edgexai agent`` on a node needs what the node has.
"""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from edgexai._version import VERSION
from edgexai.checks import unopened
from edgexai.cli.parts import with_default
from edgexai.errors import ConfigError, Error
from edgexai.extras import how_to_install

VERBS = {
    "convert": "make a .tflite file of a Keras model or a SavedModel",
    "attach": "add the relevance pass to a .tflite model",
    "explain": "explain samples with an explainer file, as numbers and pictures",
    "bench": "measure time, bytes and faithfulness",
    "profile": "collect the relevance of every channel on unlabelled samples",
    "prune": "take out the channels that matter least, to a share of MACs or of a board's energy",
    "quantize": "make a float .tflite integer, without TensorFlow",
    "compress": "prune, repair and cluster to a budget of energy, time, memory or accuracy, with a report",
    "restore": "turn a model that came over the air (.exq) back into its .tflite, on a node too",
    "firmware": "write an int8 .tflite as C99 sources for microcontrollers, bit for bit TensorFlow Lite Micro",
    "cost": "MACs, bytes, RAM, and on a board latency and energy, by layer",
    "audit": "a report on a model for those who approve it: what was measured, and what was not",
    "basis": "learn the components of a model's heatmaps, so that frames take fewer bytes",
    "agent": "run on a node: predict, explain, send heatmaps to the fleet",
    "demo": "everything once, on real digits or your own model",
    "fleet": "receive the nodes' heatmaps, store each once, show what the models look at",
}


def main(argv: list[str] | None = None) -> int:
    """Run one verb; 0 is success, 1 a mistake that is told in one line, 2 a wrong command line, 130 Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] not in VERBS:
        return _help(argv)
    verb = argv[0]
    try:
        module = import_module(f"edgexai.cli.{verb}")
        default = getattr(module, "DEFAULT", None)  # the part that is meant where a verb has parts and none is named
        given = with_default(argv[1:], module.PARTS, default) if default else argv[1:]
        args = parser_of(verb, module).parse_args(given)
        _spare_source(args)
        return int((args.part if "part" in args else module.run)(args) or 0)
    except BrokenPipeError:  # `edgexai … | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Error, OSError) as error:
        print(f"edgexai {verb}: {_sentence(error)}", file=sys.stderr)
        return 1
    except MemoryError:
        print(
            f"edgexai {verb}: there is not enough memory for this; give a smaller model or fewer samples",
            file=sys.stderr,
        )
        return 1
    except ModuleNotFoundError as error:
        print(f"edgexai {verb}: {error.name} is not installed; {how_to_install(error.name)} brings it", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser_of(verb: str, module: ModuleType) -> argparse.ArgumentParser:
    """The parser of one verb."""
    parser = argparse.ArgumentParser(
        prog=f"edgexai {verb}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.arguments(parser)
    return parser


def _help(argv: list[str]) -> int:
    if argv and argv[0] in ("-V", "--version"):
        print(f"edgexai {VERSION}")
        return 0
    asked = not argv or argv[0] in ("-h", "--help", "help")
    out = sys.stdout if asked else sys.stderr
    if not asked:
        print(f"edgexai: there is no verb {argv[0]!r}", file=out)
    print("usage: edgexai VERB …    (edgexai VERB --help shows examples)\n", file=out)
    for verb, summary in VERBS.items():
        print(f"  {verb:<9} {summary}", file=out)
    return 0 if asked else 2


def _spare_source(args: argparse.Namespace) -> None:
    """ConfigError if the output is the very file that is read."""
    source, output = getattr(args, "model", None), getattr(args, "output", None)
    if (
        isinstance(source, str)
        and "\0" not in source
        and output is not None
        and os.path.exists(source)
        and os.path.exists(output)
        and os.path.samefile(source, output)
    ):
        raise ConfigError(f"-o {output} would overwrite the model that is read; give another name")


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, Error) and error.filename is not None:
        return str(unopened(Path(str(error.filename)), error))
    return str(error)
