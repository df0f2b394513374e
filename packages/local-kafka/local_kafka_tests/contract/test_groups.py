"""Groups: members, generations, offsets."""

from __future__ import annotations

import pytest
from kio.schema.errors import ErrorCode

from local_kafka_tests.contract.requests import (
    JOIN_GROUP,
    LEAVE_GROUP,
    LIST_GROUPS,
    OFFSET_FETCH,
    SYNC_GROUP,
    commit,
    committed,
    create,
    delete,
    delete_group,
    delete_offset,
    describe_group,
    enter,
    eventually,
    heartbeat,
    join,
    subscription,
    sync,
)
from local_kafka_tests.raw import RawClient


def leave(client: RawClient, group: str, **member: str) -> int:
    return int(client.call(LEAVE_GROUP, 4, group_id=group, members=[member]).members[0].error_code)


def test_a_new_member_learns_its_id_first(client: RawClient, topic: str) -> None:
    first = join(client, topic)
    assert (first.error_code, first.generation_id) == (ErrorCode.member_id_required, -1)
    assert first.member_id.startswith("tests-")
    joined = join(client, topic, first.member_id)
    assert (joined.error_code, joined.generation_id, joined.leader) == (0, 1, first.member_id)
    assert [member.member_id for member in joined.members] == [first.member_id]
    assert joined.protocol_name == "range"


def test_joins_that_cannot_be_are_refused(client: RawClient, topic: str) -> None:
    assert join(client, topic, "stranger").error_code == ErrorCode.unknown_member_id
    assert join(client, "").error_code == ErrorCode.invalid_group_id
    assert join(client, topic, session_timeout=10).error_code == ErrorCode.invalid_session_timeout
    assert join(client, topic, protocols=[]).error_code == ErrorCode.inconsistent_group_protocol
    enter(client, topic)
    other = [{"name": "other", "metadata": subscription("t")}]
    assert join(client, topic, protocols=other).error_code == ErrorCode.inconsistent_group_protocol
    assert join(client, topic, protocol_type="connect").error_code == ErrorCode.inconsistent_group_protocol


def test_only_members_of_the_generation_are_heard(client: RawClient, topic: str) -> None:
    assert heartbeat(client, topic, "stranger", 1) == ErrorCode.unknown_member_id
    member, generation = enter(client, topic)
    assert heartbeat(client, topic, member, generation) == 0
    assert heartbeat(client, topic, member, generation + 1) == ErrorCode.illegal_generation
    assert heartbeat(client, topic, "stranger", generation) == ErrorCode.unknown_member_id
    assert sync(client, topic, member, generation + 1, {}).error_code == ErrorCode.illegal_generation
    assert sync(client, topic, "stranger", generation, {}).error_code == ErrorCode.unknown_member_id
    assert leave(client, topic, member_id="stranger") == ErrorCode.unknown_member_id
    assert leave(client, topic, member_id=member) == 0
    assert heartbeat(client, topic, member, generation) == ErrorCode.unknown_member_id
    assert describe_group(client, topic).group_state == "Empty"


def test_a_second_member_makes_the_first_join_again(client: RawClient, kafka: str, topic: str) -> None:
    first, generation = enter(client, topic)
    with RawClient(kafka) as other:
        second = join(other, topic).member_id
        body = {
            "group_id": topic,
            "session_timeout": 120_000,
            "rebalance_timeout": 120_000,
            "member_id": second,
            "protocol_type": "consumer",
            "protocols": [{"name": "range", "metadata": subscription("t")}],
        }
        other.send(JOIN_GROUP, 5, **body)
        rebalancing = ErrorCode.rebalance_in_progress
        assert eventually(lambda: heartbeat(client, topic, first, generation), rebalancing) == rebalancing
        rejoined = join(client, topic, first)
        joined = other.receive(JOIN_GROUP, 5)
        assert rejoined.generation_id == joined.generation_id == generation + 1
        assert {rejoined.leader, joined.leader} == {first}
        assert {member.member_id for member in rejoined.members} == {first, second}
        assert joined.members == []
        other.send(SYNC_GROUP, 3, group_id=topic, generation_id=generation + 1, member_id=second, assignments=[])
        assert commit(client, topic, topic, 1, member=first, generation=generation + 1) in (
            ErrorCode.rebalance_in_progress,
            ErrorCode.unknown_topic_or_partition,
        )
        mine = sync(client, topic, first, generation + 1, {first: b"one", second: b"two"})
        assert mine.assignment == b"one"
        assert other.receive(SYNC_GROUP, 3).assignment == b"two"
        described = describe_group(client, topic)
        assert (described.group_state, described.protocol_data) == ("Stable", "range")
        assert {member.member_assignment for member in described.members} == {b"one", b"two"}
        assert {(member.client_id, member.client_host) for member in described.members} == {("tests", "/127.0.0.1")}


def test_a_static_member_comes_back_without_a_rebalance(client: RawClient, topic: str) -> None:
    first = join(client, topic, group_instance_id="a")
    assert (first.error_code, first.generation_id) == (0, 1)
    given = {first.member_id: b"mine"}
    assert sync(client, topic, first.member_id, 1, given, group_instance_id="a").error_code == 0
    back = join(client, topic, group_instance_id="a")
    assert (back.error_code, back.generation_id) == (0, 1)
    assert back.member_id != first.member_id
    assert sync(client, topic, back.member_id, 1, {}, group_instance_id="a").assignment == b"mine"
    fenced = join(client, topic, first.member_id, group_instance_id="a")
    assert fenced.error_code == ErrorCode.fenced_instance_id
    assert leave(client, topic, member_id="", group_instance_id="a") == 0
    assert leave(client, topic, member_id="", group_instance_id="a") == ErrorCode.unknown_member_id


def test_offsets_are_committed_without_members_too(client: RawClient, topic: str) -> None:
    create(client, topic, 2)
    assert committed(client, topic, topic) == (0, -1, "")
    assert commit(client, topic, topic, 5) == 0
    assert commit(client, topic, topic, 7, partition=1) == 0
    assert committed(client, topic, topic) == (0, 5, "note")
    unknown = commit(client, topic, topic, 5, partition=2)
    assert unknown == ErrorCode.unknown_topic_or_partition
    everything = client.call(OFFSET_FETCH, 5, group_id=topic, topics=None).topics
    assert [(each.name, sorted(p.partition_index for p in each.partitions)) for each in everything] == [(topic, [0, 1])]
    several = client.call(OFFSET_FETCH, 8, groups=[{"group_id": topic, "topics": None}]).groups
    assert sum(partition.committed_offset for partition in several[0].topics[0].partitions) == 12


def test_a_note_beside_an_offset_has_at_most_4096_bytes(client: RawClient, topic: str) -> None:
    create(client, topic)
    assert commit(client, topic, topic, 5, note="x" * 4096) == 0
    assert commit(client, topic, topic, 6, note="x" * 4097) == ErrorCode.offset_metadata_too_large
    assert committed(client, topic, topic) == (0, 5, "x" * 4096)


def test_only_members_commit_while_there_are_some(client: RawClient, topic: str) -> None:
    create(client, topic)
    member, generation = enter(client, topic)
    assert commit(client, topic, topic, 1, member=member, generation=generation) == 0
    assert commit(client, topic, topic, 2) == ErrorCode.unknown_member_id
    assert commit(client, topic, topic, 2, member=member, generation=generation + 1) == ErrorCode.illegal_generation
    assert commit(client, topic, topic, 2, member="x", generation=generation) == ErrorCode.unknown_member_id
    assert committed(client, topic, topic)[1] == 1
    assert commit(client, "not-" + topic, topic, 2, member="x", generation=3) == ErrorCode.illegal_generation


def test_a_group_without_a_name_has_no_members(client: RawClient) -> None:
    assert heartbeat(client, "", "x", 1) == ErrorCode.invalid_group_id
    assert sync(client, "", "x", 1, {}).error_code == ErrorCode.invalid_group_id
    left = client.call(LEAVE_GROUP, 4, group_id="", members=[{"member_id": "x"}])
    assert (left.error_code, left.members) == (ErrorCode.invalid_group_id, [])


@pytest.mark.parametrize(("version", "unknown"), [(7, ErrorCode.illegal_generation), (9, ErrorCode.group_id_not_found)])
def test_a_generation_of_no_group_commits_nothing(
    client: RawClient, topic: str, version: int, unknown: ErrorCode
) -> None:
    create(client, topic)
    for member in ("", "x"):
        assert commit(client, topic, topic, 1, member=member, generation=3, version=version) == unknown
    assert commit(client, topic, topic, 2, member="x", version=version) == 0
    # Now there is one, which has no members.
    for member in ("", "x"):
        refused = commit(client, topic, topic, 3, member=member, generation=3, version=version)
        assert refused == ErrorCode.unknown_member_id
    assert committed(client, topic, topic)[1] == 2


def test_offsets_of_a_deleted_topic_are_forgotten(client: RawClient, topic: str) -> None:
    create(client, topic)
    assert commit(client, topic, topic, 5) == 0
    delete(client, topic)
    create(client, topic)
    assert eventually(lambda: committed(client, topic, topic)[1], -1) == -1


def test_groups_are_listed_described_and_deleted(client: RawClient, topic: str) -> None:
    create(client, topic)
    assert describe_group(client, topic).group_state == "Dead"
    assert delete_group(client, topic) == ErrorCode.group_id_not_found
    member, _ = enter(client, topic)
    listed = {group.group_id: group for group in client.call(LIST_GROUPS, 4).groups}
    assert (listed[topic].protocol_type, listed[topic].group_state) == ("consumer", "Stable")
    empty = client.call(LIST_GROUPS, 4, states_filter=["Empty"]).groups
    assert topic not in {group.group_id for group in empty}
    assert delete_group(client, topic) == ErrorCode.non_empty_group
    leave(client, topic, member_id=member)
    assert delete_group(client, topic) == 0
    assert delete_group(client, topic) == ErrorCode.group_id_not_found


def test_offsets_are_deleted_where_nobody_reads(client: RawClient, topic: str) -> None:
    create(client, topic)
    assert delete_offset(client, topic, topic)[0] == ErrorCode.group_id_not_found
    assert commit(client, topic, topic, 5) == 0
    assert delete_offset(client, topic, "not-" + topic) == (0, ErrorCode.unknown_topic_or_partition)
    assert delete_offset(client, topic, topic, 7) == (0, ErrorCode.unknown_topic_or_partition)
    assert committed(client, topic, topic)[1] == 5
    assert delete_offset(client, topic, topic) == (0, 0)
    assert committed(client, topic, topic)[1] == -1
    protocols = [{"name": "range", "metadata": subscription(topic)}]
    member, generation = enter(client, topic, protocols=protocols)
    assert commit(client, topic, topic, 5, member=member, generation=generation) == 0
    assert delete_offset(client, topic, topic) == (0, ErrorCode.group_subscribed_to_topic)
