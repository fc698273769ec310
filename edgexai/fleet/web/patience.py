"""Connections that hold nothing up: a request comes whole within some seconds, and there are only so many at once.

uvicorn waits for ever for the rest of a request; a thousand halves would take every file that the process may open,
and the store's with them.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0
"""Until the first request of a connection has to be there."""
MOST = 200
"""Connections at once."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, with an end to its patience."""

    def connection_made(self, transport: Any) -> None:
        """Takes a connection, or closes it at once where there are too many."""
        if len(self.connections) >= MOST:
            transport.close()
            return
        super().connection_made(transport)
        self._deadline = asyncio.get_running_loop().call_later(SECONDS, self._end_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of a connection."""
        if self in self.connections:
            self._deadline.cancel()
            super().connection_lost(exc)

    def _end_idle(self) -> None:
        if self.cycle is None:
            self.transport.close()
