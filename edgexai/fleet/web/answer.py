"""Answers in JSON."""

from typing import Any

from starlette.responses import Response

from edgexai.messaging.strict import dumps


class Answer(Response):
    """JSON that every reader takes, whatever a node or an older version has put into the store."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes."""
        return dumps(content)
