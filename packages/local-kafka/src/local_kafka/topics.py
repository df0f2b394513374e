"""The topics of a broker and the changes to them: each is durable before it is answered."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from kio.schema.errors import ErrorCode

from local_kafka.configs import (
    CLEANUP_POLICY,
    COMPACT,
    DELETE,
    INTERNAL_SEGMENT_BYTES,
    LOG_APPEND_TIME,
    SPECS,
    check_configs,
    split_list,
)
from local_kafka.errors import ApiError
from local_kafka.storage.disk import Disk
from local_kafka.storage.log import PartitionLog, RecoveredLog
from local_kafka.storage.metadata import MetadataStore, Statement
from local_kafka.storage.records import MAX_UNPACKED_BYTES
from local_kafka.storage.recovery import empty_log, recover_log
from local_kafka.storage.rules import CleanRules, Retention, RollRules
from local_kafka.storage.validation import RecordRules
from local_kafka.strays import Strays
from local_service.files import sync_folder

log = logging.getLogger("kafka.topics")

MOST_PARTITIONS = 1_000
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


class Topic:
    """A topic and its partitions."""

    def __init__(self, name: str, topic_id: uuid.UUID, configs: Mapping[str, str]) -> None:
        self.name = name
        self.id = topic_id
        self.partitions: list[PartitionLog] = []
        self.configs: dict[str, str] = {}
        self.max_message_bytes = 0
        self.record_rules = RecordRules(0, 0, 0)
        self.retention = Retention(-1, -1)
        self.clean_rules: CleanRules | None = None
        self.use_configs(configs)

    def config(self, name: str) -> str:
        """The value of a setting, its own or the default."""
        return self.configs.get(name, SPECS[name].default).strip()

    def use_configs(self, configs: Mapping[str, str]) -> None:
        """Change the settings, effective at once."""
        self.configs = dict(configs)
        self.max_message_bytes = int(self.config("max.message.bytes"))
        policies = split_list(self.config(CLEANUP_POLICY))
        self.record_rules = RecordRules(
            max(MAX_UNPACKED_BYTES, self.max_message_bytes),
            int(self.config("message.timestamp.before.max.ms")),
            int(self.config("message.timestamp.after.max.ms")),
            keyed=COMPACT in policies,
            append_time=self.config("message.timestamp.type") == LOG_APPEND_TIME,
        )
        self.retention = (
            Retention(int(self.config("retention.ms")), int(self.config("retention.bytes")))
            if DELETE in policies
            else Retention(-1, -1)
        )
        self.clean_rules = (
            CleanRules(
                float(self.config("min.cleanable.dirty.ratio")),
                int(self.config("min.compaction.lag.ms")),
                int(self.config("max.compaction.lag.ms")),
                int(self.config("delete.retention.ms")),
            )
            if COMPACT in policies
            else None
        )
        for partition in self.partitions:
            partition.roll_rules = self.roll_rules

    @property
    def roll_rules(self) -> RollRules:
        """When its partitions begin a new segment."""
        size, age = self.config(INTERNAL_SEGMENT_BYTES), int(self.config("segment.ms"))
        if self.clean_rules:  # as in Kafka: what is to be compacted by then may not stay in the active segment
            age = min(age, self.clean_rules.max_lag_ms)
        return RollRules(int(size or self.config("segment.bytes")), age)

    def partition(self, number: int) -> PartitionLog | None:
        """A partition, or None when the topic has none of that number."""
        return self.partitions[number] if 0 <= number < len(self.partitions) else None


def is_valid_name(name: str) -> bool:
    """Kafka's rule for topic names."""
    return name not in (".", "..") and _NAME.fullmatch(name) is not None


class TopicRegistry:
    """All topics, by name and by id."""

    def __init__(self, folder: Path, disk: Disk, store: MetadataStore) -> None:
        self.by_name: dict[str, Topic] = {}
        self.by_id: dict[uuid.UUID, Topic] = {}
        self._folder = folder
        self._disk = disk
        self._store = store
        self._changing = asyncio.Lock()
        self._strays = Strays(folder)

    def open(self) -> None:
        """Find all topics on the disk; blocks, so it is called before anything is served.

        Raises:
            LostMetadataError: there are records, and no topic is known.
        """
        self._folder.mkdir(exist_ok=True)
        self._finish_deletions()
        rows = self._store.read("SELECT name, id, partitions, configs FROM topics")
        self._strays.clear({topic_id: partitions for _, topic_id, partitions, _ in rows})
        starts = {
            (topic_id, partition): offset
            for topic_id, partition, offset in self._store.read(
                "SELECT topic_id, partition, start_offset FROM log_starts"
            )
        }
        for name, topic_id, partitions, configs in rows:
            topic = Topic(name, uuid.UUID(topic_id), json.loads(configs))
            self._make_missing_folders(topic, partitions)
            for number in range(partitions):
                start = starts.get((topic.id.hex, number), 0)
                self._add_partition(topic, recover_log(self._partition_folder(topic, number), start), start)
            self._add(topic)
        self._check_committed_offsets()

    def named(self, name: str) -> Topic:
        """The topic of a name.

        Raises:
            ApiError: there is none.
        """
        topic = self.by_name.get(name)
        if topic is None:
            raise ApiError(ErrorCode.unknown_topic_or_partition, f"There is no topic {name}.")
        return topic

    def check_new(self, name: str, partitions: int, configs: Mapping[str, str]) -> None:
        """Check whether a topic can be created.

        Raises:
            ApiError: it cannot; says why.
        """
        if not is_valid_name(name):
            raise ApiError(
                ErrorCode.invalid_topic_exception,
                f"Topic name '{name}' is illegal: use at most 249 of the characters a-z A-Z 0-9 . _ -",
            )
        if name in self.by_name:
            raise ApiError(ErrorCode.topic_already_exists, f"Topic '{name}' already exists.")
        plain, length = name.replace(".", "_"), len(name)
        same = (other for other in self.by_name if len(other) == length and other.replace(".", "_") == plain)
        alike = next(same, None)
        if alike is not None:  # as Kafka, whose metrics have the same name for both
            raise ApiError(
                ErrorCode.invalid_topic_exception,
                f"Topic '{name}' collides with existing topics: {alike} (a period is like an underscore).",
            )
        if not 1 <= partitions <= MOST_PARTITIONS:
            raise ApiError(
                ErrorCode.invalid_partitions, f"A topic has 1 to {MOST_PARTITIONS} partitions, not {partitions}."
            )
        check_configs(configs)

    async def create(self, name: str, partitions: int, configs: Mapping[str, str]) -> Topic:
        """Create a topic.

        Raises:
            ApiError: it cannot be; says why.
        """
        async with self._changing:
            self.check_new(name, partitions, configs)
            topic = Topic(name, uuid.uuid4(), configs)
            await self._disk.workers.run(partial(self._make_folders, topic, 0, partitions))
            row = (name, topic.id.hex, partitions, json.dumps(topic.configs))
            await self._store.write(Statement("INSERT INTO topics VALUES (?, ?, ?, ?)", [row]))
            self._add_empty_partitions(topic, partitions)
            self._add(topic)
            log.info("created topic %s (%s) with %d partitions", name, topic.id, partitions)
            return topic

    async def delete(self, topic: Topic) -> None:
        """Delete a topic, its data and the offsets that groups committed for it."""
        async with self._changing:
            if topic.id not in self.by_id:
                raise ApiError(ErrorCode.unknown_topic_or_partition, f"There is no topic {topic.name}.")
            await self._write_with_reserve(
                Statement("DELETE FROM topics WHERE id = ?", [(topic.id.hex,)]),
                Statement("INSERT INTO deleted_topics VALUES (?)", [(topic.id.hex,)]),
                Statement("DELETE FROM log_starts WHERE topic_id = ?", [(topic.id.hex,)]),
                Statement("DELETE FROM committed_offsets WHERE topic = ?", [(topic.name,)]),
            )
            del self.by_name[topic.name], self.by_id[topic.id]
            for partition in topic.partitions:
                partition.close()
                await partition.compaction.ended()
            await self._disk.workers.run(partial(self._remove_folders, topic))
            await self._disk.reserve.restore()
            log.info("deleted topic %s (%s)", topic.name, topic.id)

    async def add_partitions(self, topic: Topic, count: int) -> None:
        """Grow a topic to so many partitions."""
        async with self._changing:
            present = len(topic.partitions)
            if count <= present:
                raise ApiError(ErrorCode.invalid_partitions, f"Topic '{topic.name}' has {present} partitions already.")
            await self._disk.workers.run(partial(self._make_folders, topic, present, count))
            await self._store.write(Statement("UPDATE topics SET partitions = ? WHERE id = ?", [(count, topic.id.hex)]))
            self._add_empty_partitions(topic, count)
            log.info("topic %s has %d partitions now", topic.name, count)

    async def set_configs(self, topic: Topic, configs: Mapping[str, str]) -> None:
        """Replace the settings of a topic by checked ones."""
        async with self._changing:
            await self._write_with_reserve(
                Statement("UPDATE topics SET configs = ? WHERE id = ?", [(json.dumps(dict(configs)), topic.id.hex)])
            )
            topic.use_configs(configs)

    async def delete_records(self, topic: Topic, partition: int, offset: int) -> None:
        """Delete the records of a partition before an offset, for ever."""
        await self._write_with_reserve(
            Statement("INSERT OR REPLACE INTO log_starts VALUES (?, ?, ?)", [(topic.id.hex, partition, offset)])
        )
        await topic.partitions[partition].delete_before(offset)
        await self._disk.reserve.restore()

    def logs(self) -> list[PartitionLog]:
        """The logs of all partitions."""
        return [partition for topic in self.by_name.values() for partition in topic.partitions]

    async def _write_with_reserve(self, *statements: Statement) -> None:
        """Write a change that makes room, or lets retention make it."""
        await self._disk.reserve.spend(lambda: self._store.write(*statements))

    def _add(self, topic: Topic) -> None:
        self.by_name[topic.name] = self.by_id[topic.id] = topic

    def _topic_folder(self, topic: Topic) -> Path:
        return self._folder / topic.id.hex

    def _partition_folder(self, topic: Topic, number: int) -> Path:
        return self._topic_folder(topic) / str(number)

    def _add_empty_partitions(self, topic: Topic, count: int) -> None:
        """Give a topic as many partitions as that."""
        while len(topic.partitions) < count:
            folder = self._partition_folder(topic, len(topic.partitions))
            self._add_partition(topic, empty_log(folder), 0)

    def _add_partition(self, topic: Topic, recovered: RecoveredLog, start_offset: int) -> None:
        number = len(topic.partitions)
        folder = self._partition_folder(topic, number)
        topic.partitions.append(
            PartitionLog(topic.name, number, folder, self._disk, recovered, start_offset, topic.roll_rules)
        )

    def _make_folders(self, topic: Topic, first: int, count: int) -> None:
        folder = self._topic_folder(topic)
        if not folder.exists():
            folder.mkdir()
            sync_folder(self._folder)
        missing = [path for number in range(first, count) if not (path := folder / str(number)).exists()]
        for path in missing:
            path.mkdir()
        if missing:
            sync_folder(folder)

    def _remove_folders(self, topic: Topic) -> None:
        for partition in topic.partitions:
            partition.forget_files()
        shutil.rmtree(self._topic_folder(topic), onerror=_report_left)

    def _finish_deletions(self) -> None:
        """Remove what is left of topics whose deletion was cut short, and forget them."""
        for (topic_id,) in self._store.read("SELECT topic_id FROM deleted_topics"):
            folder = self._folder / topic_id
            if folder.exists():
                log.info("removing the rest of the deleted topic %s", topic_id)
                shutil.rmtree(folder)
                sync_folder(self._folder)
        self._store.forget_deleted_topics()

    def _make_missing_folders(self, topic: Topic, partitions: int) -> None:
        """A topic's folders are made before it is known, so one that is missing was taken away."""
        for number in range(partitions):
            folder = self._partition_folder(topic, number)
            if not folder.exists() and not self._strays.take_back(topic.id.hex, number):
                log.error("%s-%d: the folder %s is missing, and all records in it", topic.name, number, folder)
        self._make_folders(topic, 0, partitions)

    def _check_committed_offsets(self) -> None:
        """Tell of logs that end before what a group has read."""
        for name, number, offset in self._store.read(
            "SELECT topic, partition, MAX(committed_offset) FROM committed_offsets GROUP BY topic, partition"
        ):
            topic = self.by_name.get(name)
            partition = topic.partition(number) if topic else None
            if partition and offset > partition.end_offset:
                log.warning(
                    "%s ends at offset %d, but a group has committed offset %d: records were lost, or the offset was "
                    "set by hand",
                    partition.name,
                    partition.end_offset,
                    offset,
                )


def _report_left(_: object, path: str, error: tuple[type[BaseException], BaseException, object]) -> None:
    """The topic is deleted nevertheless; the next start removes what is left."""
    if not isinstance(error[1], FileNotFoundError):
        log.error("cannot remove %s: %s", path, error[1])
