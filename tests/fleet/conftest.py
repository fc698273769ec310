"""Fixtures of the fleet's tests."""

from fleet_process import data, fleet

__all__ = ["data", "fleet"]
