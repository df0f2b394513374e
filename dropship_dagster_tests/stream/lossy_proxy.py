"""A proxy before a broker that loses acknowledgements: the broker wrote the batch, the producer never learns it."""

from __future__ import annotations

import contextlib
import socket
import threading

from local_service_tests.free_ports import free_ports

_PRODUCE = 0
_HOST = b"127.0.0.1"


class LossyProxy:
    """Forwards the connections of a broker on this machine, and drops the first answers to Produce requests.

    With the answer it closes the connection, as a network does that fails at this moment.
    """

    def __init__(self, broker_port: int, *, drops: int) -> None:
        self.port = free_ports(1)[0]
        self.dropped = 0
        self._drops = drops
        self._lock = threading.Lock()
        self._broker_port = broker_port
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._sockets: list[socket.socket] = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Close every connection."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._server.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker_port))
                self._sockets += [client, broker]
                produced: set[bytes] = set()
                threading.Thread(target=self._requests, args=(client, broker, produced), daemon=True).start()
                threading.Thread(target=self._answers, args=(client, broker, produced), daemon=True).start()

    def _requests(self, client: socket.socket, broker: socket.socket, produced: set[bytes]) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _frame(client)
                if int.from_bytes(frame[4:6], "big") == _PRODUCE:
                    produced.add(frame[8:12])  # the correlation id
                broker.sendall(frame)
        _hang_up(client, broker)

    def _answers(self, client: socket.socket, broker: socket.socket, produced: set[bytes]) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _frame(broker)
                if frame[4:8] in produced and self._drop():
                    break
                client.sendall(frame.replace(self._address(self._broker_port), self._address(self.port)))
        _hang_up(client, broker)

    def _drop(self) -> bool:
        with self._lock:
            if self.dropped == self._drops:
                return False
            self.dropped += 1
            return True

    @staticmethod
    def _address(port: int) -> bytes:
        """As a Metadata answer tells where the broker is."""
        return _HOST + port.to_bytes(4, "big")


def _frame(source: socket.socket) -> bytes:
    """A request or an answer with its length in front."""
    head = _exactly(source, 4)
    return head + _exactly(source, int.from_bytes(head, "big"))


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _hang_up(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
