"""The process that runs on a node: policy, outbox, link to the broker, orders, privacy."""
