"""Where accepted frames wait until the fleet has stored them: the queue, its file on the disk, and that file's form."""

from edgexai.agent.outbox.outbox import Item, Outbox, OutboxFull

__all__ = ["Item", "Outbox", "OutboxFull"]
