"""What a node does on command: one function each, by the command's name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgexai.device.policy import policy
from edgexai.errors import ConfigError

if TYPE_CHECKING:
    from edgexai.device.agent import Agent

MOST = 1000


def _ping(agent: "Agent", parameters: dict[str, Any]) -> Any:
    """Answers with the status."""
    _nothing_but(parameters)
    return agent.status()


def _metrics(agent: "Agent", parameters: dict[str, Any]) -> Any:
    """Answers with the metrics."""
    _nothing_but(parameters)
    return agent.metrics()


def _policy(agent: "Agent", parameters: dict[str, Any]) -> Any:
    """Takes a ``[policy]`` table in place of the present one, until the process ends."""
    agent.settings.policy, agent.settings.hourly = policy(parameters)
    return None


def _explain(agent: "Agent", parameters: dict[str, Any]) -> Any:
    """Explains the next ``count`` samples whatever the policy says, with ``class`` for that class (a file of target
    "input" only)."""
    _nothing_but(parameters, "count", "class")
    count, target = parameters.get("count", 1), parameters.get("class")
    if type(count) is not int or not 1 <= count <= MOST:
        raise ConfigError(f"explain takes a count of 1 to {MOST}, not {count!r}")
    if target is not None and not (type(target) is int and 0 <= target < agent.classes):
        raise ConfigError(f"explain takes a class of 0 to {agent.classes - 1}, not {target!r}")
    if target is not None and not agent.explainer.takes_weights:
        raise ConfigError("this explainer file explains the predicted class only; attach it with --target input")
    agent.ordered, agent.ordered_class = count, target
    return {"count": count}


ORDERS: dict[str, Callable[["Agent", dict[str, Any]], Any]] = {
    "ping": _ping,
    "metrics": _metrics,
    "policy": _policy,
    "explain": _explain,
}


def carry_out(agent: "Agent", do: str, parameters: dict[str, Any]) -> Any:
    """The result of a command; raises ConfigError for one that is not known or has wrong parameters."""
    if do not in ORDERS:
        raise ConfigError(f"there is no command {do!r}; there are {', '.join(ORDERS)}")
    return ORDERS[do](agent, parameters)


def _nothing_but(parameters: dict[str, Any], *known: str) -> None:
    if unknown := sorted(set(parameters) - set(known)):
        raise ConfigError(f"the command does not take {unknown[0]!r}")
