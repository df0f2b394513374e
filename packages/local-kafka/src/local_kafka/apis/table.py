"""Every API that is served, with its versions. README.md shows the same table."""

from __future__ import annotations

from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from local_kafka.apis import cluster, configs, fetch, groups, offsets, produce, topics
from local_kafka.apis.call import Body, Call, Handler


@dataclass(frozen=True, slots=True)
class Api:
    """An API: its key in the protocol, the versions that are served, and who answers.

    `advertised_min` is what ApiVersions says where that differs. `abandoned` says that nobody needs the answer any more
    once the client is gone; everything else is carried to its end.
    """

    key: int
    name: str
    min_version: int
    max_version: int
    handler: Handler
    advertised_min: int | None = None
    abandoned: bool = False

    def serves(self, version: int) -> bool:
        """Whether a version is served."""
        return self.min_version <= version <= self.max_version


API_VERSIONS = 18


def api_versions(call: Call) -> Body:
    """What is served."""
    return advertised(ErrorCode.none)


def advertised(error: ErrorCode) -> Body:
    """The body of ApiVersions, for all versions."""
    return {
        "error_code": error,
        "api_keys": [
            {
                "api_key": api.key,
                "min_version": api.min_version if api.advertised_min is None else api.advertised_min,
                "max_version": api.max_version,
            }
            for api in APIS.values()
        ],
    }


APIS = {
    api.key: api
    for api in (
        # librdkafka before 2.6 takes a minimum above 0 for a broker without compression (KIP-896).
        Api(0, "Produce", 3, 11, produce.produce, advertised_min=0),
        Api(1, "Fetch", 4, 16, fetch.fetch, abandoned=True),
        Api(2, "ListOffsets", 1, 9, offsets.list_offsets),
        Api(3, "Metadata", 0, 12, cluster.metadata),
        Api(8, "OffsetCommit", 2, 9, groups.offset_commit),
        Api(9, "OffsetFetch", 1, 9, groups.offset_fetch),
        Api(10, "FindCoordinator", 0, 5, groups.find_coordinator),
        Api(11, "JoinGroup", 0, 9, groups.join_group),
        Api(12, "Heartbeat", 0, 4, groups.heartbeat),
        Api(13, "LeaveGroup", 0, 5, groups.leave_group),
        Api(14, "SyncGroup", 0, 5, groups.sync_group),
        Api(15, "DescribeGroups", 0, 6, groups.describe_groups),
        Api(16, "ListGroups", 0, 5, groups.list_groups),
        Api(17, "SaslHandshake", 0, 1, cluster.sasl_handshake),
        Api(API_VERSIONS, "ApiVersions", 0, 4, api_versions),
        Api(19, "CreateTopics", 2, 7, topics.create_topics),
        Api(20, "DeleteTopics", 1, 6, topics.delete_topics),
        Api(21, "DeleteRecords", 0, 2, offsets.delete_records),
        Api(22, "InitProducerId", 0, 5, produce.init_producer_id),
        Api(23, "OffsetForLeaderEpoch", 2, 4, offsets.offset_for_leader_epoch),
        Api(29, "DescribeAcls", 1, 3, cluster.describe_acls),
        Api(32, "DescribeConfigs", 1, 4, configs.describe_configs),
        Api(33, "AlterConfigs", 0, 2, configs.alter_configs),
        Api(35, "DescribeLogDirs", 1, 4, cluster.describe_log_dirs),
        Api(37, "CreatePartitions", 0, 3, topics.create_partitions),
        Api(42, "DeleteGroups", 0, 2, groups.delete_groups),
        Api(44, "IncrementalAlterConfigs", 0, 1, configs.incremental_alter_configs),
        Api(46, "ListPartitionReassignments", 0, 0, cluster.list_partition_reassignments),
        Api(47, "OffsetDelete", 0, 0, groups.offset_delete),
        Api(60, "DescribeCluster", 0, 1, cluster.describe_cluster),
        # Refused by its handler: a client that does not find it here waits for ever instead of saying what is missing.
        Api(68, "ConsumerGroupHeartbeat", 0, 1, groups.consumer_group_heartbeat),
    )
}
