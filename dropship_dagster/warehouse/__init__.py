"""The warehouse: deployment of sql/, the exactly-once loader, the task graph, the oracle.

For the resources, assets, checks and commands above; knows neither Dagster nor whether a service is embedded.
"""

from dropship_dagster.warehouse.connection import connect
from dropship_dagster.warehouse.deployment import DeployReport, deploy, is_deployed
from dropship_dagster.warehouse.errors import (
    CredentialsRefusedError,
    DataLostError,
    DeploymentError,
    KafkaUnreachableError,
    LoadError,
    NotDeployedError,
    OffsetsMovedError,
    RefreshError,
    WarehouseError,
    WarehouseUnavailableError,
)
from dropship_dagster.warehouse.graph import TABLE_OF_TASK, RefreshReport, TaskRun, refresh
from dropship_dagster.warehouse.loader import LoadOptions, LoadProgress, LoadReport, TopicLoad, load
from dropship_dagster.warehouse.observer import LoadObserver
from dropship_dagster.warehouse.oracle import (
    StagingVerdict,
    TableVerdict,
    TopicVerdict,
    VerifyReport,
    counts,
    verify,
)
from dropship_dagster.warehouse.rejected import (
    RejectedMessage,
    RetryReport,
    Selection,
    correct,
    list_rejected,
    retry_rejected,
    show_rejected,
)
from dropship_dagster.warehouse.retention import RetentionReport, delete_old_messages
from dropship_dagster.warehouse.topics import raw_tables

__all__ = [
    "TABLE_OF_TASK",
    "CredentialsRefusedError",
    "DataLostError",
    "DeployReport",
    "DeploymentError",
    "KafkaUnreachableError",
    "LoadError",
    "LoadObserver",
    "LoadOptions",
    "LoadProgress",
    "LoadReport",
    "NotDeployedError",
    "OffsetsMovedError",
    "RefreshError",
    "RefreshReport",
    "RejectedMessage",
    "RetentionReport",
    "RetryReport",
    "Selection",
    "StagingVerdict",
    "TableVerdict",
    "TaskRun",
    "TopicLoad",
    "TopicVerdict",
    "VerifyReport",
    "WarehouseError",
    "WarehouseUnavailableError",
    "connect",
    "correct",
    "counts",
    "delete_old_messages",
    "deploy",
    "is_deployed",
    "list_rejected",
    "load",
    "raw_tables",
    "refresh",
    "retry_rejected",
    "show_rejected",
    "verify",
]
