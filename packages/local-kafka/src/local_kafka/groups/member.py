"""A member of a group, and the messages about it."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any

from kio.schema.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """JoinGroup, of whatever version; times in seconds."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout: float
    rebalance_timeout: float
    protocol_type: str
    protocols: tuple[tuple[str, bytes], ...]
    # KIP-394: a new member first learns its id and comes back with it.
    needs_known_id: bool
    # KIP-814: a static leader that comes back keeps the assignment as it is.
    may_skip_assignment: bool


@dataclass(frozen=True, slots=True)
class JoinedMember:
    """What the leader learns of a member."""

    member_id: str
    instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True)
class JoinResult:
    """The answer to JoinGroup."""

    error: ErrorCode
    member_id: str
    generation: int = -1
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str = ""
    members: tuple[JoinedMember, ...] = ()
    skip_assignment: bool = False


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The answer to SyncGroup."""

    error: ErrorCode
    protocol_type: str | None = None
    protocol: str | None = None
    assignment: bytes = b""


@dataclass(slots=True)
class Member:
    """A member; `deadline` is when its session ends, in the event loop's time."""

    id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout: float
    rebalance_timeout: float
    protocols: tuple[tuple[str, bytes], ...]
    assignment: bytes = b""
    deadline: float = 0.0
    joining: asyncio.Future[JoinResult] | None = None
    syncing: asyncio.Future[SyncResult] | None = None
    synced: bool = field(default=False)

    @property
    def waits(self) -> bool:
        """Whether the broker owes it an answer, so that it cannot be expected to send heartbeats."""
        return self.joining is not None or self.syncing is not None

    def metadata(self, protocol: str) -> bytes:
        """What it said about itself for a protocol."""
        return dict(self.protocols).get(protocol, b"")

    def update(self, request: JoinRequest) -> None:
        """Take over what a new JoinGroup says."""
        self.protocols = request.protocols
        self.session_timeout = request.session_timeout
        self.rebalance_timeout = request.rebalance_timeout

    def answer_join(self, result: JoinResult) -> None:
        """Answer its JoinGroup, if it waits for one."""
        if self.joining and not self.joining.done():
            self.joining.set_result(result)
        self.joining = None

    def answer_sync(self, result: SyncResult) -> None:
        """Answer its SyncGroup, if it waits for one."""
        if self.syncing and not self.syncing.done():
            self.syncing.set_result(result)
        self.syncing = None

    def saved(self) -> dict[str, Any]:
        """The member as kept on disk."""
        return {
            "id": self.id,
            "instance_id": self.instance_id,
            "client_id": self.client_id,
            "client_host": self.client_host,
            "session_timeout": self.session_timeout,
            "rebalance_timeout": self.rebalance_timeout,
            "protocols": [[name, base64.b64encode(metadata).decode()] for name, metadata in self.protocols],
            "assignment": base64.b64encode(self.assignment).decode(),
        }

    @classmethod
    def restored(cls, saved: dict[str, Any], now: float) -> Member:
        """A member from disk, with a fresh session."""
        return cls(
            id=saved["id"],
            instance_id=saved["instance_id"],
            client_id=saved["client_id"],
            client_host=saved["client_host"],
            session_timeout=saved["session_timeout"],
            rebalance_timeout=saved["rebalance_timeout"],
            protocols=tuple((name, base64.b64decode(metadata)) for name, metadata in saved["protocols"]),
            assignment=base64.b64decode(saved["assignment"]),
            deadline=now + saved["session_timeout"],
            synced=True,
        )
