"""The agent's configuration: a TOML file, options of the command line that go before its lines, one check for both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from edgexai.agent.policy import depends_on_content, policy
from edgexai.agent.privacy import privacy
from edgexai.agent.serial import KIND as SERIAL
from edgexai.agent.settings import Settings
from edgexai.agent.source import KINDS
from edgexai.errors import ConfigError
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import name
from edgexai.toml import is_number, parsed, told

Table = dict[str, Any]

TEMPLATE = """\
# The agent of one node. `edgexai agent --config agent.toml`; every line can be given as an option instead.

[agent]
fleet = "fleet"                   # letters, digits, . _ -
node = "node-1"                   # once in the fleet
model = "explain.tflite"          # made by `edgexai attach`; paths are relative to this file
data = "samples.npz"              # .npz with x, .npy, a directory of such, "-" for .npy arrays on standard input,
                                  # "watch:DIR" for files as they come, "python:MODULE:FUNCTION" or "plugin:NAME"
                                  # (an entry point of the group edgexai.sources) for a camera or sensor;
                                  # "serial:/dev/ttyACM0": frames of a microcontroller, which needs no model here
# model_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # no other file is run
# predictor = "model.tflite"      # the plain model: predicts what the policy does not explain
# profiler = "profiler.tflite"    # made by `edgexai profile --node`: collects a relevance profile on command
# basis = "model.basis"           # made by `edgexai basis`: shorter frames; the fleet needs the file too
# board = "nucleo_l4r5zi"         # for the energy estimate
# labels = ["no", "yes"]          # names of the classes, for the page
# context = ["site=north", "group=new lens"]   # what the fleet may compare by
budget = 256                      # bytes of a frame at most
interval = 0.0                    # seconds between samples
state = "state"                   # where frames wait until the fleet has stored them
state_bytes = 16777216            # at most so many bytes wait; then maps get shorter, then the oldest go
state_days = 7.0                  # and at most so long
drain = 30.0                      # seconds that the end waits for what is still on its way

[broker]
url = "mqtts://broker.example"    # mqtt:// is refused beyond this machine unless plaintext = true
# ca = "ca.pem"                   # `edgexai fleet enrol` makes these three
# certificate = "node-1.pem"
# key = "node-1.key"              # chmod 600
# username = "node-1"             # or EDGEXAI_MQTT_USER
# password_file = "password"      # chmod 600; or EDGEXAI_MQTT_PASSWORD
confirm = "store"                 # "store": the fleet's receipt frees a frame; "broker": its acknowledgement
window = 64                       # frames that are on their way at most

[policy]                          # without it, everything is explained
# any = [                         # one of these rows; all keys of a row together
#   { every = 100 },
#   { class = [3, 7], margin_below = 0.2 },
#   { drift = 4.0, half_life = 200 },
# ]
# per_hour = { explanations = 60, bytes = 20000 }

[privacy]                         # what may leave; inputs never do. docs/privacy.md
# send = ["status", "metrics", "heatmap"]    # and "profile", "probe", where there is no epsilon
# grid = [8, 8]                   # a map is summed to at most so many cells
# bytes = 64                      # of a frame, whatever budget says
# epsilon = 1.0                   # differential privacy of one frame: noise on its map, class and score
# clip = 5.0                      # L1 norm that maps are clipped to before
# epsilon_per_day = 50.0          # then nothing more leaves
# delta = 1e-6                    # a day is counted up to this probability: many more frames
# score_range = [0.5, 20.0]       # scores are clipped to it; without it none are sent
# epsilon_histograms = 0.1        # of an hour's classes and scores; without it none are sent

# [sparkplug]                     # the node for SCADA tools; needs the package protobuf
# group = "line3"

[commands]                        # without a key, no command is taken
# key = "command.pub"             # `edgexai fleet enrol` makes it; needs the package cryptography
"""

_TEXT, _WHOLE, _NUMBER, _FLAG, _TEXTS = (str,), (int,), (int, float), (bool,), (list,)
_KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "agent": {
        "fleet": _TEXT,
        "node": _TEXT,
        "model": _TEXT,
        "data": _TEXT,
        "predictor": _TEXT,
        "profiler": _TEXT,
        "model_sha256": _TEXT,
        "predictor_sha256": _TEXT,
        "profiler_sha256": _TEXT,
        "basis": _TEXT,
        "board": _TEXT,
        "labels": _TEXTS,
        "context": _TEXTS,
        "budget": _WHOLE,
        "interval": _NUMBER,
        "limit": _WHOLE,
        "state": _TEXT,
        "state_bytes": _WHOLE,
        "state_days": _NUMBER,
        "drain": _NUMBER,
    },
    "broker": {
        "url": _TEXT,
        "ca": _TEXT,
        "certificate": _TEXT,
        "key": _TEXT,
        "username": _TEXT,
        "password_file": _TEXT,
        "plaintext": _FLAG,
        "confirm": _TEXT,
        "window": _WHOLE,
    },
    "sparkplug": {"group": _TEXT},
    "commands": {"key": _TEXT},
}
_OWN_CHECKS = ("policy", "privacy")
MOST_BUDGET = 65_535  # bytes: what a store takes as one frame
_POSITIVE = ("budget", "state_bytes", "state_days", "window")
_PATHS = ("model", "data", "predictor", "profiler", "basis", "state", "ca", "certificate", "key", "password_file")


def read(path: Path) -> Table:
    """The tables of a file, its paths made relative to it. Raises ConfigError."""
    try:
        table = parsed(path.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    for title, section in table.items():
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {title} stands in no section; put it under one, such as [agent]")
        for key in _PATHS:
            value = section.get(key)
            if isinstance(value, str) and key == "data" and value.startswith("watch:"):
                section[key] = f"watch:{path.parent / value.removeprefix('watch:')}"
            elif isinstance(value, str) and value != "-" and not (key == "data" and value.startswith(KINDS)):
                section[key] = str(path.parent / value)
    return table


def over(base: Table, more: Table) -> Table:
    """One configuration with another's lines in place of its own."""
    return {s: {**base.get(s, {}), **more.get(s, {})} for s in base.keys() | more.keys()}


def settings(table: Table) -> tuple[Settings, str]:
    """The settings of a configuration, and where its samples come from. Raises ConfigError for the first mistake."""
    _check(table)
    agent, broker = table.get("agent", {}), table.get("broker", {})
    needed = [("agent", "fleet"), ("agent", "node"), ("agent", "model"), ("agent", "data"), ("broker", "url")]
    if str(agent.get("data", "")).startswith(SERIAL):
        needed.remove(("agent", "model"))
    for section, key in needed:
        if key not in table.get(section, {}):
            raise ConfigError(f"the agent needs {key}: give --{key if key != 'url' else 'broker'} or [{section}] {key}")
    wanted, hourly = policy(table.get("policy", {}))
    limits = privacy(table.get("privacy", {}))
    if limits.epsilon is not None and depends_on_content(table.get("policy", {})):
        raise ConfigError("with [privacy] epsilon a policy may count samples only: take rows of every = N")
    confirm: Literal["store", "broker"] = "broker" if broker.get("confirm") == "broker" else "store"
    made = Settings(
        fleet=agent["fleet"],
        node=agent["node"],
        model=Path(agent.get("model", "")),
        broker=Broker.parse(
            broker["url"],
            broker.get("plaintext", False),
            _path(broker, "ca"),
            _path(broker, "certificate"),
            _path(broker, "key"),
            broker.get("username"),
            _path(broker, "password_file"),
        ),
        state=_path(agent, "state"),
        state_bytes=agent.get("state_bytes", 16 * 2**20),
        state_days=float(agent.get("state_days", 7.0)),
        predictor=_path(agent, "predictor"),
        profiler=_path(agent, "profiler"),
        model_sha256=_sha256(agent, "model"),
        predictor_sha256=_sha256(agent, "predictor"),
        profiler_sha256=_sha256(agent, "profiler"),
        basis=_path(agent, "basis"),
        board=agent.get("board"),
        budget=agent.get("budget", 256),
        policy=wanted,
        hourly=hourly,
        privacy=limits,
        interval=float(agent.get("interval", 0.0)),
        limit=agent.get("limit"),
        confirm=confirm,
        window=broker.get("window", 64),
        commands=_path(table.get("commands", {}), "key"),
        drain=float(agent.get("drain", 30.0)),
        patient=agent["data"].startswith("watch:"),
        sparkplug=_group(table.get("sparkplug", {})),
        labels=tuple(str(label) for label in agent.get("labels", ())),
        context=_context(agent.get("context", ())),
    )
    return made, agent["data"]


def _context(given: Sequence[str]) -> dict[str, str]:
    pairs = [str(one).partition("=") for one in given]
    if any(not key or not value for key, _, value in pairs) or len(pairs) > 16:
        raise ConfigError(f"context takes at most 16 of KEY=VALUE, such as group=north, not {list(given)}")
    return {key.strip(): value.strip()[:64] for key, _, value in pairs}


def _group(section: Table) -> str | None:
    return name(section["group"], "Sparkplug group") if "group" in section else None


def _path(section: Table, key: str) -> Path | None:
    return Path(section[key]) if key in section else None


def _sha256(agent: Table, of: str) -> str | None:
    told = agent.get(f"{of}_sha256")
    if told is not None and (len(told) != 64 or not set(told.lower()) <= set("0123456789abcdef")):
        raise ConfigError(f"[agent] {of}_sha256 takes the 64 hexadecimal digits of `sha256sum`, not {told!r}")
    if told is not None and of not in agent:
        raise ConfigError(f"[agent] {of}_sha256 pins a file, and {of} names none")
    return told


def _check(table: Table) -> None:
    section: Any
    for title, section in table.items():
        if title in _OWN_CHECKS and isinstance(section, dict):
            continue
        if title not in _KEYS or not isinstance(section, dict):
            known = ", ".join([*_KEYS, *_OWN_CHECKS])
            raise ConfigError(f"the configuration knows no section [{title}]; it has {known}")
        for key, value in section.items():
            if key not in _KEYS[title]:
                raise ConfigError(f"[{title}] knows no {key}; it takes {', '.join(_KEYS[title])}")
            kinds = _KEYS[title][key]
            if type(value) not in kinds or (kinds in (_WHOLE, _NUMBER) and not is_number(value)):
                raise ConfigError(f"[{title}] {key} takes {kinds[0].__name__}, not {told(value)}")
            if key == "budget" and value > MOST_BUDGET:
                raise ConfigError(
                    f"[agent] budget is at most {MOST_BUDGET} bytes, the largest frame, not {told(value)}"
                )
            if key in _POSITIVE and value <= 0:
                raise ConfigError(f"[{title}] {key} must be positive, not {told(value)}")
    if table.get("broker", {}).get("confirm", "store") not in ("store", "broker"):
        raise ConfigError("[broker] confirm takes store or broker")
    for key in ("interval", "limit", "drain"):
        if table.get("agent", {}).get(key, 0) < 0:
            raise ConfigError(f"[agent] {key} cannot be negative")
