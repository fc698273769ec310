"""A node shown to SCADA tools as Sparkplug B: what is said when, and the bytes of its payloads."""

from edgexai.agent.sparkplug.sparkplug import KINDS, Sparkplug

__all__ = ["KINDS", "Sparkplug"]
