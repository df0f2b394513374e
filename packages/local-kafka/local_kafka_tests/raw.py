"""Speaks the protocol by hand, for what no client would ever send."""

from __future__ import annotations

import gzip
import socket
import struct
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import cramjam
from crc32c import crc32c

from local_kafka.wire.reader import Budget, struct_reader
from local_kafka.wire.schema import fields_of
from local_kafka_tests.wire.samples import request_class, request_frame, response_class

TIMEOUT = 300


class RawClient:
    """A connection on which any request can be sent."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=TIMEOUT)
        self._correlation = 0

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def call(self, api_key: int, version: int, **body: Any) -> Any:
        """Send a request and read its response; fields that are not given have the schema's defaults."""
        self.send(api_key, version, **body)
        return self.receive(api_key, version)

    def send(self, api_key: int, version: int, **body: Any) -> None:
        self._correlation += 1
        message = request_class(api_key, version)
        self.socket.sendall(request_frame(api_key, version, complete(message, body), self._correlation))

    def receive(self, api_key: int, version: int) -> Any:
        frame = self.receive_frame()
        message = response_class(api_key, version)
        budget = Budget()
        header, position = struct_reader(message.__header_schema__)(frame, 0, budget)
        assert header.correlation_id <= self._correlation
        response, end = struct_reader(message)(frame, position, budget)
        assert end == len(frame)
        return response

    def receive_frame(self) -> bytes:
        return self._receive(int.from_bytes(self._receive(4), "big"))

    def is_closed_by_peer(self) -> bool:
        """Whether the broker ended the connection, which it must do soon."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True

    def _receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            received = self.socket.recv(size - len(data))
            assert received, "the broker closed the connection"
            data += received
        return bytes(data)


def complete(message: Any, body: dict[str, Any]) -> dict[str, Any]:
    """A body with all fields of a message, its nested ones too."""
    unknown = set(body) - {spec.name for spec in fields_of(message)}
    assert not unknown, f"{message.__name__} v{message.__version__} has no {unknown}"
    complete_body = {}
    for spec in fields_of(message):
        value = body.get(spec.name, spec.default)
        if not isinstance(spec.kind, str) and value is not None:
            value = tuple(complete(spec.kind, item) for item in value) if spec.array else complete(spec.kind, value)
        complete_body[spec.name] = value
    return complete_body


def varint(value: int) -> bytes:
    raw = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while raw > 0x7F:
        encoded.append(raw & 0x7F | 0x80)
        raw >>= 7
    encoded.append(raw)
    return bytes(encoded)


def record(value: bytes | None, offset_delta: int, timestamp_delta: int, key: bytes | None = None) -> bytes:
    body = b"\0" + varint(timestamp_delta) + varint(offset_delta) + _nullable(key) + _nullable(value) + varint(0)
    return varint(len(body)) + body


def _nullable(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def batch(
    values: Sequence[bytes],
    *,
    producer: tuple[int, int, int] = (-1, -1, -1),
    timestamps: Sequence[int] | None = None,
    attributes: int = 0,
    base_offset: int = 0,
    magic: int = 2,
) -> bytes:
    """A record batch; `producer` is (id, epoch, first sequence)."""
    times = list(timestamps) if timestamps is not None else [time.time_ns() // 1_000_000] * len(values)
    records = b"".join(record(value, i, times[i] - times[0]) for i, value in enumerate(values))
    return sealed(
        records,
        len(values),
        producer=producer,
        times=(times[0], max(times)),
        attributes=attributes,
        base_offset=base_offset,
        magic=magic,
    )


def keyed_batch(
    records: Sequence[tuple[bytes, bytes | None]],
    *,
    producer: tuple[int, int, int] = (-1, -1, -1),
    codec: int = 0,
    time: int | None = None,
) -> bytes:
    """A batch of keys and values, all of one time (ms), in one of the protocol's five codecs."""
    plain = b"".join(record(value, number, 0, key) for number, (key, value) in enumerate(records))
    times = None if time is None else (time, time)
    return sealed(PACK[codec](plain), len(records), producer=producer, attributes=codec, times=times)


def lz4(data: bytes, *, linked: bool) -> bytes:
    packer = cramjam.lz4.Compressor(block_linked=linked)
    packer.compress(data)
    return bytes(packer.finish())


PACK: dict[int, Callable[[bytes], bytes]] = {
    0: lambda data: data,
    1: gzip.compress,
    2: lambda data: bytes(cramjam.snappy.compress_raw(data)),
    3: lambda data: lz4(data, linked=False),
    4: lambda data: bytes(cramjam.zstd.compress(data)),
}


def sealed(
    records: bytes,
    count: int,
    *,
    producer: tuple[int, int, int] = (-1, -1, -1),
    times: tuple[int, int] | None = None,
    attributes: int = 0,
    base_offset: int = 0,
    magic: int = 2,
) -> bytes:
    """A record batch around any bytes, with a right checksum; `times` are the first and the newest timestamp."""
    first, newest = times or (time.time_ns() // 1_000_000,) * 2
    producer_id, epoch, sequence = producer
    header = struct.pack(">hiqqqhii", attributes, count - 1, first, newest, producer_id, epoch, sequence, count)
    checked = header + records
    return struct.pack(">qiibI", base_offset, len(checked) + 9, -1, magic, crc32c(checked)) + checked


def produce_raw(client: RawClient, topic: str, records: bytes, *, acks: int = -1, partition: int = 0) -> Any:
    """Send one batch with Produce v9; the partition's part of the response."""
    response = client.call(0, 9, **produce_body(topic, records, acks=acks, partition=partition))
    return response.responses[0].partition_responses[0]


def produce_body(topic: str, records: bytes, *, acks: int = -1, partition: int = 0) -> dict[str, Any]:
    data = [{"name": topic, "partition_data": [{"index": partition, "records": records}]}]
    return {"acks": acks, "timeout": 30_000, "topic_data": data}
