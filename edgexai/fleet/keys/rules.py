"""What mosquitto lets whom do: its configuration, and the roles of its dynamic-security plugin.

A file of access rules (`acl_file`) is asked when a message is delivered, not when somebody subscribes: a node could
join a shared subscription, get its share of everybody's messages, and have them vanish as delivered. The plugin is
asked for subscriptions too, shared ones included. And the client id is the certificate's name
(`use_username_as_clientid`), so that nobody takes another's connection over.

Therefore whoever gives orders has several names, a certificate each: one of them has one connection.
"""

import json
import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgexai.errors import ConfigError

SERVICE, OPERATOR = "fleet-service", "fleet-operator"
LINES = 4
"""Connections that one operator has at a time."""
PLUGINS = (
    "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so",
    "/usr/lib/aarch64-linux-gnu/mosquitto_dynamic_security.so",
    "/usr/lib/arm-linux-gnueabihf/mosquitto_dynamic_security.so",
    "/usr/lib/mosquitto_dynamic_security.so",
    "/usr/lib64/mosquitto_dynamic_security.so",
)
FILE = "dynamic-security.json"

_CONFIGURATION = """\
# mosquitto 2, for this fleet: mosquitto -c {directory}/mosquitto.conf
# started as root it becomes this user, who owns the keys and alone may read them
user {owner}
listener {port}
cafile {directory}/ca.pem
certfile {directory}/broker.pem
keyfile {directory}/broker.key
crlfile {directory}/crl.pem
require_certificate true
use_identity_as_username true
use_username_as_clientid true
tls_version tlsv1.2
allow_anonymous false
max_connections {connections}
plugin {plugin}
plugin_opt_config_file {directory}/{file}
persistence true
persistence_location {directory}/
autosave_interval 30
# the fleet service acknowledges after its commit: let a whole batch be on its way
max_inflight_messages 2000
# what waits for a service that is away; beyond it the broker lets go, and nodes send again what has no receipt
max_queued_messages 100000
max_queued_bytes 67108864
max_packet_size 131072
message_size_limit 65536
memory_limit 1073741824
"""

Role = dict[str, Any]


def configuration(directory: Path, port: int, connections: int) -> str:
    """mosquitto.conf; ConfigError for a port that is none."""
    if not 0 < port < 65536:
        raise ConfigError(f"{port} is no port; take 1 to 65535")
    plugin = next((p for p in PLUGINS if Path(p).exists()), PLUGINS[0])
    return _CONFIGURATION.format(
        directory=directory.resolve(), port=port, connections=connections, plugin=plugin, file=FILE, owner=_owner()
    )


def _owner() -> str:
    """Who makes the keys: the name of this user, or the number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@dataclass(frozen=True)
class Names:
    """Who there is: ``nodes`` as FLEET/NODE, further ingest ``workers``, ``operators`` beside the one that is always
    there, and the ``groups`` under which nodes also speak Sparkplug B."""

    nodes: frozenset[str] = frozenset()
    workers: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    groups: dict[str, str] = field(default_factory=dict)

    def __or__(self, other: "Names") -> "Names":
        """Both."""
        nodes, workers = self.nodes | other.nodes, self.workers | other.workers
        return Names(nodes, workers, self.operators | other.operators, self.groups | other.groups)


def lines(operator: str) -> list[str]:
    """The names by which an operator connects (nothing: the one that is always there); none of them is another's."""
    first = f"{OPERATOR}:{operator}" if operator else OPERATOR
    return [first, *(f"{OPERATOR}:{operator}:{n}" for n in range(2, LINES + 1))]


def write_roles(directory: Path, names: Names) -> Path:
    """The plugin's file: who there is and what each may do; mosquitto reads it at its start."""
    nodes = sorted(names.nodes)
    roles = [_service(), _operator(), *(_node(n) for n in nodes)]
    clients = [(SERVICE, SERVICE)]
    clients += [(line, OPERATOR) for operator in ("", *sorted(names.operators)) for line in lines(operator)]
    clients += [(f"{SERVICE}:{worker}", SERVICE) for worker in sorted(names.workers)]
    clients += [(n, n) for n in nodes]
    for node, group in sorted(names.groups.items()):
        roles.append(_sparkplug(node, group))
        clients.append((f"{node}:sparkplug", f"{node}:sparkplug"))
    nothing = {"publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": True}
    content = {
        "defaultACLAccess": nothing,
        "clients": [{"username": name, "roles": [{"rolename": role}]} for name, role in clients],
        "groups": [],
        "roles": roles,
    }
    path = directory / FILE
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
    partial.replace(path)
    return path


def known(directory: Path) -> tuple[Names, bool]:
    """Who is in the plugin's file, and whether its operators have all their names (older ones have one)."""
    path = directory / FILE
    if not path.exists():
        return Names(), False
    try:
        said = json.loads(path.read_text("utf-8"))
        names = {client["username"] for client in said["clients"]}
        groups = {
            role["rolename"].removesuffix(":sparkplug"): role["acls"][0]["topic"].split("/")[1]
            for role in said["roles"]
            if role["rolename"].endswith(":sparkplug")
        }
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise ConfigError(f"{path} is damaged; move it away, and enrol the nodes again to have it made anew") from None
    workers = frozenset(n.removeprefix(f"{SERVICE}:") for n in names if n.startswith(f"{SERVICE}:"))
    operators = frozenset(n.split(":")[1] for n in names if n.startswith(f"{OPERATOR}:")) - {""}
    nodes = frozenset(n for n in names if "/" in n and ":" not in n)
    return Names(nodes, workers, operators, groups), names.issuperset(lines(""))


def _role(
    name: str, send: Iterable[str], receive: Iterable[str], subscribe: Iterable[str], kind: str = "Literal"
) -> Role:
    acls = [("publishClientSend", t) for t in send] + [("publishClientReceive", t) for t in receive]
    acls += [(f"subscribe{kind}", t) for t in subscribe]
    return {"rolename": name, "acls": [{"acltype": a, "topic": t, "priority": 0, "allow": True} for a, t in acls]}


def _node(name: str) -> Role:
    own = f"edgexai/{name}"
    reads = [f"{own}/receipt", f"{own}/command"]
    return _role(name, [f"{own}/{c}" for c in ("status", "heatmap", "metrics", "reply")], reads, reads)


def _service() -> Role:
    writes = [f"edgexai/+/+/{c}" for c in ("receipt", "command")]
    reads = [f"edgexai/+/+/{c}" for c in ("status", "heatmap", "metrics", "reply")]
    return _role(SERVICE, writes, reads, ["edgexai/#", "$share/#"], "Pattern")


def _operator() -> Role:
    return _role(
        OPERATOR, ["edgexai/+/+/command", "edgexai/+/+/status"], ["edgexai/+/+/reply"], ["edgexai/#"], "Pattern"
    )


def _sparkplug(node: str, group: str) -> Role:
    name = node.replace("/", ":")
    sends = [f"spBv1.0/{group}/{kind}/{name}" for kind in ("NBIRTH", "NDATA", "NDEATH")]
    orders = [f"spBv1.0/{group}/NCMD/{name}"]
    return _role(f"{node}:sparkplug", sends, orders, orders)
