"""What a node sends by, opened as its settings say: the outbox, and the conversation that empties it."""

from typing import Any

from edgexai.agent.outbox import Outbox
from edgexai.agent.session import Session
from edgexai.agent.settings import Settings
from edgexai.errors import Error, FrameError
from edgexai.heatmap import shorten


def sending(settings: Settings) -> tuple[Outbox, Session]:
    """Both; whoever calls closes the outbox. ConfigError where that does not fit together."""
    outbox = Outbox(settings.state, settings.state_bytes, settings.state_days * 86400.0, shorten=shorter)
    try:
        return outbox, Session(outbox, confirm=settings.confirm, window=settings.window)
    except Error:
        outbox.close()
        raise


def counted(outbox: Outbox, session: Session) -> dict[str, Any]:
    """What became of accepted frames, as it travels."""
    waiting, waiting_bytes = outbox.depth()
    return {
        "confirmed": session.confirmed,
        "resent": session.resent,
        "dropped": outbox.dropped,
        "shortened": outbox.shortened,
        "damaged": outbox.damaged,
        "trouble": outbox.trouble,
        "waiting": {"frames": waiting, "bytes": waiting_bytes},
    }


def lies(outbox: Outbox, settings: Settings) -> str:
    """Where frames wait: on disk, in memory, or why in memory."""
    return outbox.volatile or ("memory" if settings.state is None else "disk")


def shorter(frame: bytes, size: int) -> bytes:
    """The frame cut to a coarser map; as it is if it was written by a version that is not known any more."""
    try:
        return shorten(frame, size)
    except FrameError:
        return frame
