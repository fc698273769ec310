"""A wire between node and broker that can be slow, mute, cut, or refuse: TCP, one thread a direction."""

import contextlib
import socket
import threading
import time


class Wire:
    """Forwards 127.0.0.1:``port`` to a broker. ``delay`` seconds hold back what the broker says; ``mute`` swallows
    everything both ways while the connections stay open; `cut` breaks them; ``refuse`` closes new ones at once."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.delay = 0.0
        self.mute = self.refuse = False
        self.connections = 0
        self.sent = 0
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                node, _ = self._server.accept()
                self.connections += 1
                if self.refuse:
                    node.close()
                    continue
                broker = socket.create_connection(("127.0.0.1", self._to))
                self._open += [node, broker]
                threading.Thread(target=self._pump, args=(node, broker, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(broker, node, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if back and self.delay:
                    time.sleep(self.delay)
                if not self.mute:
                    target.sendall(data)
                    self.sent += 0 if back else len(data)
        if not self.mute:
            for one in (source, target):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
