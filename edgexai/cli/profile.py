"""Collect how much relevance each channel of a model gets, on unlabelled samples.

examples:
  edgexai profile kws_int8.tflite --data clips.npz -o kws.profile
  edgexai profile kws_int8.tflite --node -o kws_profiler.tflite
      a file with which a node collects it (`edgexai agent --profiler`), on command of the fleet
  edgexai profile kws_int8.tflite --add node1.profile node2.profile -o fleet.profile

The profile is what `edgexai prune --profile` ranks channels by. Profiles of one model add up, so that several
nodes can collect one together.
"""

import argparse
from functools import reduce
from operator import add

from edgexai.cli.options import new_file
from edgexai.cli.progress import bar
from edgexai.cli.samples import TAKEN, data_options, samples_of
from edgexai.compress.measure.profile import load_profile, profile_relevance, profiler
from edgexai.errors import ConfigError
from edgexai.graph import load, save


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a .tflite model, float or int8")
    parser.add_argument("-o", "--output", type=new_file, required=True, help="the profile to write")
    parser.add_argument("--node", action="store_true", help="write the file that a node profiles with instead")
    parser.add_argument("--data", help=TAKEN)
    data_options(parser)
    parser.add_argument("--composite", default="epsilon", help="rules of the relevance (%(default)s)")
    parser.add_argument("--add", nargs="+", default=[], metavar="PROFILE", help="profiles of the same model to add")


def run(args: argparse.Namespace) -> int:
    if args.node:
        save(profiler(load(args.model), args.composite), args.output)
        print(f"{args.output}: for `edgexai agent --profiler`")
        return 0
    profiles = [load_profile(path) for path in args.add]
    if args.data:
        with bar("relevance") as progress:
            graph = load(args.model)
            x = samples_of(args, graph).x
            profiles.append(profile_relevance(graph, x, args.composite, progress))
    if not profiles:
        raise ConfigError("there is nothing to profile; give --data, or profiles to --add")
    profile = reduce(add, profiles)
    profile.save(args.output)
    maps = len(profile.channels)
    print(f"{args.output}: {profile.samples} samples, {maps} maps, {int((profile.count > 0).sum())} classes predicted")
    return 0
