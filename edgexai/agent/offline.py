"""What a node would send, in a file: one JSON object a line with the topic and, in base64, the payload.

`edgexai fleet import` takes such files in; a line that a power cut broke off is left out there.
"""

import base64
import json
import os
from typing import IO

from edgexai.agent.outbox import Outbox
from edgexai.messaging.messages import pack_heatmap, topic


def line(to: str, payload: bytes) -> bytes:
    """One message. It begins with a line end too, so that a broken line before it harms only itself."""
    said = {"topic": to, "payload": base64.b64encode(payload).decode()}
    return b"\n" + json.dumps(said, separators=(",", ":")).encode() + b"\n"


def emptied(box: Outbox, file: IO[bytes], fleet: str, node: str, at_least: int = 1) -> int:
    """Move the outbox's frames into the file, if there are so many; a frame is freed once it is on the disk."""
    if box.depth()[0] < at_least:
        return 0
    count = 0
    while items := box.after(-1, 100):
        for item in items:
            file.write(line(topic(fleet, node, "heatmap"), pack_heatmap(item.boot, item.payload)))
        file.flush()
        os.fsync(file.fileno())
        for boot in {item.boot for item in items}:
            own = [(item.sequence, item.sequence) for item in items if item.boot == boot]
            box.confirm(boot, own, items[-1].id)
        count += len(items)
    return count
