"""Which partitions a consumer loads, and from which offsets: the warehouse's, as far as the broker still holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dropship_dagster.stream import GroupMembership, partitions
from dropship_dagster.stream.client import ClientConfig
from dropship_dagster.stream.topics import Partition
from dropship_dagster.warehouse.batch import LoadedTopic
from dropship_dagster.warehouse.errors import DataLostError
from dropship_dagster.warehouse.failures import Position
from dropship_dagster.warehouse.load_options import LoadOptions
from dropship_dagster.warehouse.load_session import LoadSession
from dropship_dagster.warehouse.offsets import accept_gap, read_positions, register
from dropship_dagster.warehouse.topics import TopicWatch


@dataclass
class Plan:
    """Where each of this consumer's partitions stands, and in a bounded run where it ends.

    Attributes:
        generation: of the consumer group that shared out the partitions.
    """

    topics: list[LoadedTopic]
    positions: dict[Partition, int]
    ends: dict[Partition, int]
    generation: int = 0

    def expected(self, topic: str) -> dict[int, int]:
        """The next offset of each partition of a topic."""
        return {number: at for (name, number), at in self.positions.items() if name == topic}


class TopicsChangedError(Exception):
    """A topic was made again or got partitions, or the group gave this consumer others: plan anew."""


class Planner:
    """Makes plans, and notices when one no longer holds.

    Attributes:
        failed_at: the partition that the last plan failed at, if it did.
        gaps: messages that were given up with `accept_gaps`.
    """

    def __init__(
        self,
        client_config: ClientConfig,
        tables: Mapping[str, str],
        options: LoadOptions,
        session: LoadSession,
        watch: TopicWatch,
        run_id: str,
    ) -> None:
        self._client_config, self._tables, self._options = client_config, tables, options
        self._session, self._watch, self._run_id = session, watch, run_id
        self._ends: dict[Partition, int] = {}
        self.failed_at: list[Position] = []
        self.gaps = 0

    def plan(self, membership: GroupMembership | None) -> Plan:
        """Where to read from: the warehouse's offsets, with rows made for partitions that have none.

        Raises:
            DataLostError: the broker no longer has messages that were not loaded, or fewer than were loaded.
            StreamError, snowflake.connector.errors.Error: Kafka or the warehouse does not answer.
        """
        connection, self.failed_at = self._session.connection(), []
        generation, assigned = membership.assigned() if membership else (0, frozenset())
        plan = Plan([], {}, {}, generation)
        for name, offsets in partitions(self._client_config, self._tables).items():
            topic = LoadedTopic(name, str(offsets.topic_id), self._tables[name])
            mine = {
                state.partition: state
                for state in offsets.partitions
                if self._is_mine(state.partition) and (not membership or (name, state.partition) in assigned)
            }
            known = {position.partition: position for position in read_positions(connection, topic.topic_id)}
            new = {number: state.low for number, state in mine.items() if number not in known}
            register(connection, name, topic.topic_id, new, self._run_id)
            after = {**new, **{number: known[number].next_offset for number in mine if number in known}}
            for number, state in mine.items():
                after[number] = self._check_held(topic, number, after[number], state.low, state.high)
                plan.positions[name, number] = after[number]
                # A bounded run that plans anew still ends where the topics ended when it began.
                end = state.high if self._options.follow else self._ends.setdefault((name, number), state.high)
                plan.ends[name, number] = max(end, after[number])
            plan.topics.append(topic)
        return plan

    def check(self, plan: Plan, *, grouped: bool) -> None:
        """After the fetch and before the commit: messages of a topic made again must not get the old one's id.

        Args:
            plan: what was read by.
            grouped: a consumer group notices new partitions by itself and shares them out.

        Raises:
            TopicsChangedError: the plan no longer holds.
            KafkaUnreachableError: the brokers do not answer.
        """
        now = self._watch.identities(self._tables)
        for topic in plan.topics:
            identity = now.get(topic.name)
            if identity is None or identity.topic_id != topic.topic_id:
                raise TopicsChangedError(f"topic {topic.name} was deleted or made again")
            mine = set() if grouped else {number for number in identity.partitions if self._is_mine(number)}
            if mine - set(plan.expected(topic.name)):
                raise TopicsChangedError(f"topic {topic.name} has new partitions")

    def _check_held(self, topic: LoadedTopic, partition: int, after: int, low: int, high: int) -> int:
        """The offset to go on from, once the broker is known to hold it."""
        self.failed_at = [Position(topic.name, topic.topic_id, partition, after)]
        if after > high:
            raise DataLostError(
                f"Partition {partition} of topic {topic.name} is loaded to offset {after}, but the broker ends at "
                f"{high}: it lost messages that RAW still has, and would give their offsets to new ones. Replay what "
                "is missing into a new topic (delete this one and let it be made again)."
            )
        if after >= low:
            self.failed_at = []
            return after
        if not self._options.accept_gaps:
            raise DataLostError(
                f"Partition {partition} of topic {topic.name}: offsets {after} to {low - 1} ({low - after} messages) "
                "were not loaded and the broker no longer has them. Restore the topic, or accept the gap and load on "
                f"from offset {low}: dropship consume --accept-gaps"
            )
        accept_gap(self._session.connection(), topic.name, topic.topic_id, partition, after, low, self._run_id)
        self.failed_at = []
        self.gaps += low - after
        return low

    def _is_mine(self, partition: int) -> bool:
        index, count = self._options.share
        return partition % count == index
