"""One client: its requests in order, their answers in the same order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from kio.schema.errors import ErrorCode
from kio.schema.index import api_key_map, schema_name_map

from local_kafka.apis.call import Body, BrokerState, Call, ConnectionClosedError, Deferred
from local_kafka.apis.table import API_VERSIONS, APIS, Api, advertised
from local_kafka.frames import LARGE_BYTES, FrameSplitter, NotKafkaError
from local_kafka.wire.messages import (
    RequestPrefix,
    has_error_code,
    read_prefix,
    read_request,
    write_response,
)
from local_kafka.wire.reader import MalformedError
from local_kafka.wire.writer import Buffer

log = logging.getLogger("kafka.connection")

# Requests of one client that may be under way or waiting, and their bytes; beyond that its socket is not read.
_MOST_WAITING = 64
_MOST_WAITING_BYTES = 8 << 20
# What may wait in memory for a client that does not read.
_WRITE_HIGH_WATER = 1 << 20


@dataclass(slots=True, eq=False)
class _Slot:
    """The place of an answer in the order of answers."""

    prefix: RequestPrefix
    size: int
    reserved: int = 0
    body: Body | None = None
    done: bool = False


class Connection(asyncio.Protocol):
    """A client's connection. `opened` and `closed` keep the broker's list of them."""

    def __init__(
        self, state: BrokerState, opened: Callable[[Connection], bool], closed: Callable[[Connection], None]
    ) -> None:
        self._state = state
        self._opened = opened
        self._closed = closed
        self._splitter = FrameSplitter(state.options.max_request_bytes)
        # Requests that are there and were not begun, with the memory that is held for each.
        self._frames: deque[tuple[bytes, int]] = deque()
        self._reserved = self._reserved_next = 0
        self._awaits_memory = False
        self._slots: deque[_Slot] = deque()
        self._bytes = 0
        self._outgoing: list[Buffer] = []
        self._task: asyncio.Task[Body | None] | None = None
        self._task_api: Api | None = None
        self._transport: asyncio.Transport | None = None
        self._peer = self._client_host = ""
        self.moved_at = asyncio.get_running_loop().time()
        self._reading = True
        self._writable = True
        self._draining = False
        self._will_dispatch = False

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, but have all its methods.
        self._transport = stream = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer, self._client_host = (f"{peer[0]}:{peer[1]}", f"/{peer[0]}") if peer else ("unknown", "/")
        if not self._opened(self):
            transport.close()
            return
        stream.set_write_buffer_limits(high=_WRITE_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        self.moved_at = asyncio.get_running_loop().time()
        try:
            for frame in self._splitter.feed(data):
                self._frames.append((frame, self._reserved_next))
                self._reserved_next = 0
        except NotKafkaError as error:
            self._close(f"closed: {error}")
            return
        if self._splitter.awaited >= LARGE_BYTES and not self._reserved_next:
            self._reserve(self._splitter.awaited)
        self._dispatch()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self.moved_at = asyncio.get_running_loop().time()
        self._dispatch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._frames.clear()
        self._state.memory.forget(self)
        self._give_back(self._reserved)
        if self._task and self._task_api and self._task_api.abandoned:
            self._task.cancel()
        self._closed(self)

    # Requests

    @property
    def idle(self) -> bool:
        """Whether no answer is owed, or the only one owed is that of a client waiting for data."""
        return not self._slots or bool(self._task and self._task_api and self._task_api.abandoned)

    @property
    def waits(self) -> bool:
        """Whether the broker owes an answer."""
        return bool(self._slots)

    def end_idle(self) -> None:
        """End the connection at once; nothing has moved on it for long."""
        log.info("%s closed: nothing came for longer than connections.max.idle.ms", self._peer)
        if self._transport:
            self._transport.abort()

    @property
    def stalls(self) -> bool:
        """Whether memory is held for a request of which a part is missing."""
        return bool(self._reserved_next) and not self._awaits_memory

    def end_stalled(self) -> None:
        """End the connection at once; others wait for the memory of its half a request."""
        log.warning(
            "%s closed: a request of %d bytes came to a stop, and others wait for its memory "
            "(--queued-max-request-bytes)",
            self._peer,
            self._splitter.awaited,
        )
        if self._transport:
            self._transport.abort()

    def _reserve(self, size: int) -> None:
        self._reserved_next = size
        if self._state.memory.take(self, size, self._reserve_later):
            self._reserved += size
        else:
            self._awaits_memory = True

    def _reserve_later(self) -> None:
        """There is memory now."""
        self._awaits_memory = False
        self._reserved += self._reserved_next
        self.moved_at = asyncio.get_running_loop().time()
        self._throttle()

    def _give_back(self, size: int) -> None:
        """Give memory back, once: a lost connection has given back all."""
        size = min(size, self._reserved)
        self._reserved -= size
        if size:
            self._state.memory.give(size)

    def drain(self) -> None:
        """Take no more requests."""
        self._draining = True
        self._frames.clear()
        if self._transport:
            self._transport.pause_reading()

    def close(self) -> None:
        """End the connection when what was answered is sent."""
        self._flush()
        if self._transport:
            self._transport.close()

    def _dispatch(self) -> None:
        """Begin as many requests as may be under way."""
        self._will_dispatch = False
        while self._frames and self._task is None and self._writable and not self._is_full():
            if self._transport is None or self._draining:
                return
            self._begin(*self._frames.popleft())
        self._throttle()

    def _is_full(self) -> bool:
        """Whether enough is under way; one request of any size always may be."""
        return len(self._slots) >= _MOST_WAITING or (bool(self._slots) and self._bytes >= _MOST_WAITING_BYTES)

    def _throttle(self) -> None:
        """Read the socket only while the client's requests are taken."""
        if self._transport is None or self._draining:
            return
        wanted = len(self._frames) < _MOST_WAITING and not (self._frames and self._bytes >= _MOST_WAITING_BYTES)
        wanted = wanted and not self._awaits_memory
        if self._reading and not wanted:
            self._transport.pause_reading()
        elif wanted and not self._reading:
            self._transport.resume_reading()
        self._reading = wanted

    def _begin(self, frame: bytes, reserved: int) -> None:
        try:
            prefix = read_prefix(frame)
            api = APIS.get(prefix.api_key)
            if api is None or not api.serves(prefix.version):
                self._give_back(reserved)
                self._refuse(prefix, api)
                return
            client_id, request = read_request(prefix.api_key, prefix.version, frame)
        except MalformedError as error:
            self._close(f"closed: a malformed request ({error})")
            return
        call = Call(self._state, prefix.version, client_id, self._client_host, request)
        slot = self._slot(prefix, len(frame))
        slot.reserved = reserved
        try:
            answer = api.handler(call)
        except Exception:
            log.exception("%s: %s v%d failed", self._peer, api.name, prefix.version)
            self.close()
            return
        if answer is None or isinstance(answer, dict):
            self._answer(slot, answer)
        elif isinstance(answer, Deferred):
            answer.then(partial(self._finish, slot, api))
        else:
            self._task_api = api
            self._task = asyncio.get_running_loop().create_task(answer)
            self._task.add_done_callback(partial(self._finish_task, slot, api))

    def _finish_task(self, slot: _Slot, api: Api, task: asyncio.Task[Body | None]) -> None:
        self._task = self._task_api = None
        if not task.cancelled():
            error = task.exception()
            self._finish(slot, api, None if error else task.result(), error)

    def _finish(self, slot: _Slot, api: Api, body: Body | None, error: BaseException | None) -> None:
        if isinstance(error, ConnectionClosedError):
            self._close(f"closed: {error}")
        elif error is not None:
            log.error("%s: %s v%d failed", self._peer, api.name, slot.prefix.version, exc_info=error)
            self.close()
        else:
            self._answer(slot, body)
            if self._frames and not self._will_dispatch:
                # Not at once: the log that gives this answer is in the middle of giving others.
                self._will_dispatch = True
                asyncio.get_running_loop().call_soon(self._dispatch)

    def _refuse(self, prefix: RequestPrefix, api: Api | None) -> None:
        """Answer a request that is not served, as clearly as the protocol allows."""
        name = api.name if api else api_key_map.get(prefix.api_key, "unknown")
        # newer clients begin with their own version of ApiVersions as a matter of course
        level = logging.INFO if prefix.api_key == API_VERSIONS else logging.WARNING
        log.log(
            level, "%s: refused API %d (%s) v%d, which is not served", self._peer, prefix.api_key, name, prefix.version
        )
        if prefix.api_key == API_VERSIONS:
            # A newer client asks with a version of its own and goes on with what this answer offers (KIP-511).
            slot = self._slot(RequestPrefix(API_VERSIONS, 0, prefix.correlation_id), 0)
            self._answer(slot, advertised(ErrorCode.unsupported_version))
        elif api is None and _can_refuse(prefix, name):
            self._answer(self._slot(prefix, 0), {"error_code": ErrorCode.unsupported_version})
        else:
            self.close()

    def _slot(self, prefix: RequestPrefix, size: int) -> _Slot:
        slot = _Slot(prefix, size)
        self._slots.append(slot)
        self._bytes += size
        return slot

    def _answer(self, slot: _Slot, body: Body | None) -> None:
        """Make what is ready go out, up to the first answer that is not."""
        slot.body, slot.done = body, True
        nothing_went_out = not self._outgoing
        while self._slots and self._slots[0].done:
            ready = self._slots.popleft()
            self._bytes -= ready.size
            self._give_back(ready.reserved)
            if ready.body is not None:
                prefix = ready.prefix
                self._outgoing += write_response(prefix.api_key, prefix.version, prefix.correlation_id, ready.body)
        if nothing_went_out and self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Send all answers of this step of the event loop in one go."""
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._transport and not self._transport.is_closing():
            self.moved_at = asyncio.get_running_loop().time()
            self._transport.writelines(outgoing)

    def _close(self, reason: str) -> None:
        log.warning("%s %s", self._peer, reason)
        self._frames.clear()
        self.close()


def _can_refuse(prefix: RequestPrefix, name: str) -> bool:
    """Whether the response of an API that is not served is known, and has a place for the error."""
    return prefix.version in schema_name_map.get(name, {}) and has_error_code(prefix.api_key, prefix.version)
