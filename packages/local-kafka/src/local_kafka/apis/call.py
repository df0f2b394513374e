"""What a handler gets, and what it may give back."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple

from local_kafka.frames import RequestMemory
from local_kafka.groups.coordinator import GroupCoordinator
from local_kafka.options import BrokerOptions
from local_kafka.producer_ids import ProducerIds
from local_kafka.storage.disk import Disk
from local_kafka.topics import TopicRegistry
from local_kafka.wire.reader import Struct

NODE_ID = 1

# A response: the field names of kio's schema; see `wire.writer` for what may be left out.
Body = dict[str, Any]


@dataclass(slots=True)
class BrokerState:
    """Everything that handlers work on; `port` is known when the socket listens."""

    options: BrokerOptions
    cluster_id: str
    disk: Disk
    topics: TopicRegistry
    groups: GroupCoordinator
    producer_ids: ProducerIds
    memory: RequestMemory
    port: int = 0


class Call(NamedTuple):
    """One request."""

    state: BrokerState
    version: int
    client_id: str
    client_host: str
    request: Struct


class ConnectionClosedError(Exception):
    """The only way to tell a producer that wants no answers (acks=0) of an error: its connection is closed."""


class Deferred:
    """A response that is completed by a callback: cheaper than a future where thousands per second are given."""

    __slots__ = ("_answer", "_receiver")

    def __init__(self) -> None:
        self._answer: tuple[Body | None, Exception | None] | None = None
        self._receiver: Callable[[Body | None, Exception | None], None] | None = None

    def give(self, body: Body | None, error: Exception | None = None) -> None:
        """The answer is there."""
        if self._receiver:
            self._receiver(body, error)
        else:
            self._answer = (body, error)

    def then(self, receiver: Callable[[Body | None, Exception | None], None]) -> None:
        """Have the answer, now or when it comes."""
        self._receiver = receiver
        if self._answer:
            receiver(*self._answer)


# A body is sent at once. One that comes later is sent then, and the connection's next request is begun meanwhile. A
# coroutine is run to its end before the next request. None in place of a body: nothing is sent.
Answer = Body | None | Deferred | Coroutine[Any, Any, Body | None]
Handler = Callable[[Call], Answer]
