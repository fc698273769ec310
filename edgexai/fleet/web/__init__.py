"""The fleet's page and its JSON."""
