"""Connections that hold nothing up: requests and their readers have some seconds, and there are only so many at once.

uvicorn waits for ever for the rest of a request, and for whoever does not read his answer; a thousand of them would
take every file that the process may open, and the store's with them.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0
"""Until the next request of a connection has to be there, from its beginning or from the last answer."""
ANSWER = 60.0
"""Until its answer has to be made and taken, after that."""
MOST = 200
"""Connections at once."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, with an end to its patience."""

    ended: ClassVar[int] = 0
    """Connections of this process that were closed since there were too many or since they took too long."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Takes a connection, or closes it at once where there are too many."""
        if len(self.connections) >= MOST:
            PatientProtocol.ended += 1
            transport.close()
            return
        super().connection_made(transport)
        self._wait(SECONDS, self._no_request)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of a connection."""
        if self in self.connections:
            self._wait(None)
            super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """An answer is made: the next request may take as long as the first."""
        self._wait(SECONDS, self._no_request)
        super().on_response_complete()

    def _wait(self, seconds: float | None, then: Any = None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else asyncio.get_running_loop().call_later(seconds, then)

    def _no_request(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._end()
        else:
            self._wait(ANSWER, self._end)

    def _end(self) -> None:
        PatientProtocol.ended += 1
        self.transport.abort()  # `close` would wait for a reader who does not read
