"""A relevance profile: what it adds up, and its file; the same on a workstation and on a node."""
