"""Attacks on the node and on files, each a program that prints one JSON object; `scripts/attack` runs them by name."""
