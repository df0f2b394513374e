"""All groups of the broker and the offsets that they committed."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import struct
from collections.abc import Coroutine, Iterable, Mapping
from typing import NamedTuple

from kio.schema.errors import ErrorCode

from local_kafka.errors import ApiError
from local_kafka.groups.group import Group, GroupState
from local_kafka.groups.member import JoinRequest, JoinResult, SyncResult
from local_kafka.storage.append import now_ms
from local_kafka.storage.metadata import MetadataStore, Statement

log = logging.getLogger("kafka.groups")

_SWEEP_SECONDS = 0.25
# A sweep that comes later than this was held up by something that members are not to blame for.
_STALL_SECONDS = 1.0


class CommittedOffset(NamedTuple):
    """What a group committed for a partition."""

    offset: int
    leader_epoch: int
    metadata: str
    committed_at: int = -1


TopicPartition = tuple[str, int]


class GroupCoordinator:
    """Groups by id, and their committed offsets."""

    def __init__(self, store: MetadataStore, initial_delay: float) -> None:
        self._store = store
        self._initial_delay = initial_delay
        self._groups: dict[str, Group] = {}
        self._offsets: dict[str, dict[TopicPartition, CommittedOffset]] = {}
        self._saves: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Take over groups and offsets from disk."""
        rows = self._store.read(
            "SELECT group_id, topic, partition, committed_offset, leader_epoch, metadata, committed_at "
            "FROM committed_offsets"
        )
        for group_id, topic, partition, *committed in rows:
            self._offsets.setdefault(group_id, {})[(topic, partition)] = CommittedOffset(*committed)
        for group_id, saved in self._store.read("SELECT group_id, state FROM groups"):
            self._group(group_id).restore(saved)

    # Membership

    async def join(self, group_id: str, request: JoinRequest) -> JoinResult:
        """JoinGroup: returns when the generation begins."""
        answer = self._group(group_id).join(request)
        return answer if isinstance(answer, JoinResult) else await answer

    async def sync(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int, assignments: Mapping[str, bytes]
    ) -> SyncResult:
        """SyncGroup: returns when the leader's assignments are durable."""
        group = self._groups.get(group_id)
        error = group.check(member_id, instance_id, generation) if group else ErrorCode.unknown_member_id
        if group is None or error:
            return SyncResult(error)
        answer = group.sync(group.members[member_id])
        if isinstance(answer, SyncResult):
            return answer
        if member_id == group.leader:
            group.assign(assignments)
            self._in_background(self._make_stable(group))
        return await answer

    def protocol_of(self, group_id: str) -> tuple[str, str]:
        """The protocol type and the protocol of a group; empty when it has none."""
        group = self._groups.get(group_id)
        return (group.protocol_type, group.protocol) if group else ("", "")

    def heartbeat(self, group_id: str, member_id: str, instance_id: str | None, generation: int) -> ErrorCode:
        """Heartbeat: whether the member is still one, and whether it must join again."""
        group = self._groups.get(group_id)
        if group is None:
            return ErrorCode.unknown_member_id
        error = group.check(member_id, instance_id, generation)
        if error is ErrorCode.none and group.state is GroupState.PREPARING:
            return ErrorCode.rebalance_in_progress
        return error

    def leave(self, group_id: str, member_id: str, instance_id: str | None) -> ErrorCode:
        """LeaveGroup for one member."""
        group = self._groups.get(group_id)
        return group.leave(member_id, instance_id) if group else ErrorCode.unknown_member_id

    async def watch_sessions(self) -> None:
        """Remove members that fell silent, for as long as the broker runs."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = loop.time()
            late = now - before - _SWEEP_SECONDS
            before = now
            if late > _STALL_SECONDS:
                log.warning("the broker stood still for %.1f s; all sessions get as much longer", late)
            for group in list(self._groups.values()):
                if late > _STALL_SECONDS:
                    group.extend(late)
                group.expire(now)

    # Offsets

    async def commit(self, group_id: str, offsets: Mapping[TopicPartition, CommittedOffset]) -> ErrorCode:
        """Write offsets down; the caller checked who commits and what."""
        if not offsets:
            return ErrorCode.none
        now = now_ms()
        offsets = {key: committed._replace(committed_at=now) for key, committed in offsets.items()}
        rows = [(group_id, *key, *committed) for key, committed in offsets.items()]
        try:
            await self._store.write(
                Statement("INSERT OR REPLACE INTO committed_offsets VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            )
        except sqlite3.Error as error:
            log.error("%s: cannot write committed offsets: %s", group_id, error)  # noqa: TRY400 - one line an event
            return ErrorCode.coordinator_not_available
        self._offsets.setdefault(group_id, {}).update(offsets)
        return ErrorCode.none

    def check_commit(self, group_id: str, member_id: str, instance_id: str | None, generation: int) -> ErrorCode:
        """Whether somebody may commit offsets for a group: a member, or anybody of no generation while it has none."""
        group = self.find(group_id)
        if group is None:
            return ErrorCode.none if generation < 0 else ErrorCode.group_id_not_found
        if generation < 0 and not group.members:
            return ErrorCode.none
        if generation < 0 and not member_id and instance_id is None:
            return ErrorCode.unknown_member_id
        error = group.check(member_id, instance_id, generation)
        if error is ErrorCode.none and group.state is GroupState.COMPLETING:
            return ErrorCode.rebalance_in_progress
        return error

    def offsets(self, group_id: str) -> Mapping[TopicPartition, CommittedOffset]:
        """All that a group committed."""
        return self._offsets.get(group_id, {})

    async def delete_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, ErrorCode]:
        """OffsetDelete: forget offsets of topics that no member reads.

        Raises:
            ApiError: there is no such group, or members of another kind than consumers are in it.
        """
        group = self._known(group_id)
        if group.members and group.protocol_type != "consumer":
            raise ApiError(ErrorCode.non_empty_group)
        in_use = {topic for member in group.members.values() for topic in _subscribed(member.metadata(group.protocol))}
        answers = {
            key: ErrorCode.group_subscribed_to_topic if key[0] in in_use else ErrorCode.none for key in partitions
        }
        deleted = [key for key, error in answers.items() if error is ErrorCode.none]
        await self._store.write(
            Statement(
                "DELETE FROM committed_offsets WHERE group_id = ? AND topic = ? AND partition = ?",
                [(group_id, *key) for key in deleted],
            )
        )
        for key in deleted:
            self._offsets.get(group_id, {}).pop(key, None)
        return answers

    async def expire_offsets(self, now: int, retention_ms: int) -> None:
        """Forget what groups without members committed longer ago than that (KIP-211), and those that have no more.

        Raises:
            sqlite3.Error: nothing of it happened.
        """
        oldest = now - retention_ms
        for group_id, offsets in list(self._offsets.items()):
            group = self._groups.get(group_id)
            if group and (group.state is not GroupState.EMPTY or group.empty_since > oldest):
                continue
            old = {key: committed for key, committed in offsets.items() if committed.committed_at <= oldest}
            if not old:
                continue
            statements = [
                Statement(
                    "DELETE FROM committed_offsets WHERE group_id = ? AND topic = ? AND partition = ?",
                    [(group_id, *key) for key in old],
                )
            ]
            if len(old) == len(offsets):
                statements.append(Statement("DELETE FROM groups WHERE group_id = ?", [(group_id,)]))
            await self._store.write(*statements)
            log.info("%s: forgot %d offsets that nobody has committed again", group_id, len(old))
            for key, committed in old.items():
                if offsets.get(key) is committed:  # and not another one of meanwhile
                    del offsets[key]
            if group and not offsets and group.state is GroupState.EMPTY:
                self._groups.pop(group_id, None)

    def forget_topic(self, topic: str) -> None:
        """A topic is deleted, and with it (in the database already) what was committed for it."""
        for offsets in self._offsets.values():
            for key in [key for key in offsets if key[0] == topic]:
                del offsets[key]

    # Administration

    def all(self) -> dict[str, Group]:
        """All groups that have members, had some, or have offsets."""
        for group_id, offsets in self._offsets.items():
            if offsets:
                self._group(group_id)
        return dict(sorted(self._groups.items()))

    def find(self, group_id: str) -> Group | None:
        """A group, or None when nobody ever used it."""
        return self._group(group_id) if self._offsets.get(group_id) else self._groups.get(group_id)

    async def delete(self, group_id: str) -> None:
        """Delete a group without members, and its offsets.

        Raises:
            ApiError: there is none, or it has members.
        """
        if self._known(group_id).members:
            raise ApiError(ErrorCode.non_empty_group, f"The group {group_id} has members.")
        await self._store.write(
            Statement("DELETE FROM groups WHERE group_id = ?", [(group_id,)]),
            Statement("DELETE FROM committed_offsets WHERE group_id = ?", [(group_id,)]),
        )
        self._groups.pop(group_id, None)
        self._offsets.pop(group_id, None)

    async def finish(self) -> None:
        """Wait for what is being written."""
        await asyncio.gather(*self._saves)

    def _known(self, group_id: str) -> Group:
        group = self.find(group_id)
        if group is None:
            raise ApiError(ErrorCode.group_id_not_found, f"There is no group {group_id}.")
        return group

    def _group(self, group_id: str) -> Group:
        group = self._groups.get(group_id)
        if group is None:
            group = self._groups[group_id] = Group(group_id, self._initial_delay, self._save_later)
        return group

    async def _make_stable(self, group: Group) -> None:
        generation = group.generation
        error = await self._save(group)
        group.become_stable(generation, error)

    def _save_later(self, group: Group) -> None:
        self._in_background(self._save_quietly(group))

    async def _save_quietly(self, group: Group) -> None:
        await self._save(group)

    async def _save(self, group: Group) -> ErrorCode:
        try:
            await self._store.write(
                Statement("INSERT OR REPLACE INTO groups VALUES (?, ?)", [(group.id, group.saved())])
            )
        except sqlite3.Error as error:
            log.error("%s: cannot write the group: %s", group.id, error)  # noqa: TRY400 - one line an event
            return ErrorCode.coordinator_not_available
        return ErrorCode.none

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._saves.add(task)
        task.add_done_callback(self._saves.discard)


def _subscribed(metadata: bytes) -> list[str]:
    """The topics in a consumer's subscription (ConsumerProtocolSubscription, any version)."""
    topics: list[str] = []
    try:
        (count,) = struct.unpack_from(">i", metadata, 2)
        position = 6
        for _ in range(count):
            (length,) = struct.unpack_from(">h", metadata, position)
            topics.append(metadata[position + 2 : position + 2 + length].decode())
            position += 2 + length
    except (struct.error, UnicodeDecodeError):
        log.warning("a member's subscription cannot be read")
    return topics
