"""Certificates and the broker's rules: who may connect, and who may write under which name.

    DIR/ca.pem  ca.key          the fleet's authority; the key stays here
    DIR/crl.pem                 certificates that were called back
    DIR/broker.pem  broker.key  the broker, for the host names that are given
    DIR/fleet.pem  fleet.key    the fleet service: reads everything, writes receipts and commands
    DIR/operator.pem  .key      whoever gives orders: writes commands, reads replies
    DIR/operator+2.pem …        the same key's names for further orders at the same time
    DIR/operators/O.pem  O.key  further operators, each with such names of their own
    DIR/workers/W.pem  W.key    further ingest workers, one each
    DIR/nodes/N.pem  (N.key)    one node, its name as common name FLEET/N; no key where the node made its own
    DIR/nodes/N.sparkplug.pem   the same node's second connection, for Sparkplug B
    DIR/mosquitto.conf, dynamic-security.json      mosquitto's configuration and rules
    DIR/command.key  command.pub   Ed25519: commands are signed with the one and checked with the other

Nothing that exists is made anew, so a node can be added at any time. Private keys have mode 600.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from edgexai.errors import ConfigError
from edgexai.fleet.keys.authority import DAYS, SERVER, Authority, host_name
from edgexai.fleet.keys.rules import SERVICE, Names, configuration, known, lines, write_roles
from edgexai.messaging.lines import beside
from edgexai.messaging.messages import name as checked_name

MOST_CONNECTIONS = 50_000


@dataclass(frozen=True)
class Terms:
    """How keys are made: certificates for ``days``, a broker on ``port``; a Sparkplug group for the nodes; and for
    which ``operators``, beside the one that is always there."""

    days: int = DAYS
    port: int = 8883
    sparkplug: str | None = None
    operators: Sequence[str] = ()


def enrol(
    directory: Path,
    fleet: str,
    nodes: Sequence[str | Path],
    hosts: Sequence[str],
    terms: Terms | int = Terms(),
    workers: Sequence[str] = (),
) -> list[Path]:
    """Make what is missing of a fleet's authority, certificates, rules and command key; the files that were made.

    ``nodes`` get a key from here; those that made their own are files ``NODE.csr``, requests that are signed;
    ``hosts`` are the names and addresses by which nodes reach the broker. Raises ConfigError for a bad name, port or
    request.
    """
    terms = Terms(port=terms) if isinstance(terms, int) else terms
    checked_name(fleet, "fleet name")
    names = [checked_name(n, "node name") for n in nodes if isinstance(n, str)]
    asked = {checked_name(path.stem, "node name"): path for path in nodes if isinstance(path, Path)}
    for host in hosts:
        host_name(host)  # before anything is made
    helpers = [checked_name(w, "worker name") for w in workers]
    operators = [checked_name(o, "operator name") for o in terms.operators]
    group = None if terms.sparkplug is None else checked_name(terms.sparkplug, "Sparkplug group")
    text = configuration(directory, terms.port, MOST_CONNECTIONS)
    for folder in ("nodes", "workers", "operators"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    authority = Authority(directory, fleet, terms.days)
    authority.issue(
        directory / "broker.pem", (hosts or ["localhost"])[0][:64], hosts or ["localhost", "127.0.0.1"], SERVER
    )
    authority.issue(directory / "fleet.pem", SERVICE)
    _operator(authority, directory / "operator.pem", "")
    for operator in operators:
        _operator(authority, directory / "operators" / f"{operator}.pem", operator)
    for worker in helpers:
        authority.issue(directory / "workers" / f"{worker}.pem", f"{SERVICE}:{worker}")
    for node in names:
        authority.issue(directory / "nodes" / f"{node}.pem", f"{fleet}/{node}")
    for node, path in asked.items():
        authority.sign(path, directory / "nodes" / f"{node}.pem", f"{fleet}/{node}")
    if group is not None:
        for node in (*names, *asked):
            authority.issue(directory / "nodes" / f"{node}.sparkplug.pem", f"{fleet}/{node}:sparkplug")
    if not (directory / "command.key").exists():
        signing = ed25519.Ed25519PrivateKey.generate()
        authority.write_key(directory / "command.key", signing)
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        authority.write(directory / "command.pub", signing.public_key().public_bytes(encoding, form))
    if not (directory / "mosquitto.conf").exists():
        authority.write(directory / "mosquitto.conf", text.encode())
    if not (directory / "crl.pem").exists():
        authority.made.append(authority.revoke([]))
    there, whole = known(directory)
    everybody = frozenset(f"{fleet}/{n}" for n in (*names, *asked))
    groups = {} if group is None else dict.fromkeys(everybody, group)
    all_names = there | Names(everybody, frozenset(helpers), frozenset(operators), groups)
    if all_names != there or not whole:
        authority.made.append(write_roles(directory, all_names))
    return authority.made


def _operator(authority: Authority, path: Path, operator: str) -> None:
    first, *more = lines(operator)
    authority.issue(path, first)
    for place, name in zip(beside(path, len(more)), more, strict=True):
        authority.issue_more(place, path, name)


def lock_out(directory: Path, fleet: str, nodes: Sequence[str]) -> Path:
    """Call back the certificates of nodes whose keys were lost; the list, which mosquitto reads again on SIGHUP.

    Whoever has such a key cannot connect any more; a connection that is open ends when the broker is started anew. The
    old certificate is set aside, so that the node can be enrolled again, with a new key.
    """
    authority = _existing(directory, fleet, DAYS)
    paths = [directory / "nodes" / f"{checked_name(n, 'node name')}.pem" for n in nodes]
    if missing := [p for p in paths if not p.is_file()]:
        raise ConfigError(f"{missing[0]} is not there; only nodes that were enrolled in {directory} can be locked out")
    both = [p for path in paths for p in (path, path.with_suffix(".sparkplug.pem")) if p.is_file()]
    revoked = authority.revoke(both)
    for path in both:
        path.replace(path.with_suffix(".revoked"))
        path.with_suffix(".key").unlink(missing_ok=True)
    return revoked


def renew(directory: Path, fleet: str, days: int = DAYS) -> list[Path]:
    """Give every certificate that ends within thirty days another while, with its name and key; which were.

    Raises ConfigError for a directory without an authority, or with that of another fleet.
    """
    authority = _existing(directory, fleet, days)
    issued = [p for p in sorted(directory.rglob("*.pem")) if p.name not in ("ca.pem", "crl.pem")]
    return [path for path in issued if authority.renew(path)]


def _existing(directory: Path, fleet: str, days: int) -> Authority:
    """The authority that was made here for this fleet; none is made."""
    checked_name(fleet, "fleet name")
    if not (directory / "ca.pem").is_file():
        raise ConfigError(
            f"there is no authority (ca.pem) in {directory}; give with --out the folder that `edgexai fleet enrol` made"
        )
    fleets = {name.partition("/")[0] for name in known(directory)[0].nodes}
    if fleets and fleet not in fleets:
        others = ", ".join(sorted(fleets))
        raise ConfigError(
            f"the authority in {directory} is that of fleet {others}, not of {fleet}; write --fleet {others}"
        )
    return Authority(directory, fleet, days)
