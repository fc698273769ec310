"""Certificates and the broker's rules."""
