"""Fewer bits: int8, int16×8, int4, clustered weights; the room can be called, as `edgexai.quantize`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgexai.compress.room import callable_room

if TYPE_CHECKING:
    from edgexai.compress.measure.execute import Samples
    from edgexai.compress.quantize.scales import Ports
    from edgexai.graph import Graph, Model


def quantize(graph: Model, samples: Samples, ports: Ports | None = None) -> Graph:
    """The float32 graph in int8; see `edgexai.compress.quantize.int8.quantize`."""
    from edgexai.compress.quantize.int8 import quantize as made

    return made(graph, samples, ports)


callable_room(__name__, quantize)
