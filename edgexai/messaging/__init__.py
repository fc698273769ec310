"""What nodes and fleet share: topics and messages, and how a broker is addressed and trusted."""
