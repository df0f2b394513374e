"""The warehouse: deployment of sql/, the exactly-once loader, the task graph, the oracle.

For the resources, assets, checks and commands above; knows neither Dagster nor whether a service is embedded.

A name is imported when it is first asked for: who only connects need not wait for the loader's libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from dropship_dagster.warehouse.load_options import LoadOptions
    from dropship_dagster.warehouse.load_report import LoadProgress, LoadReport, TopicLoad
    from dropship_dagster.warehouse.loader import load
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

_HOME = {
    "connect": "connection",
    "DeployReport": "deployment",
    "deploy": "deployment",
    "is_deployed": "deployment",
    "CredentialsRefusedError": "errors",
    "DataLostError": "errors",
    "DeploymentError": "errors",
    "KafkaUnreachableError": "errors",
    "LoadError": "errors",
    "NotDeployedError": "errors",
    "OffsetsMovedError": "errors",
    "RefreshError": "errors",
    "WarehouseError": "errors",
    "WarehouseUnavailableError": "errors",
    "TABLE_OF_TASK": "graph",
    "RefreshReport": "graph",
    "TaskRun": "graph",
    "refresh": "graph",
    "LoadOptions": "load_options",
    "LoadProgress": "load_report",
    "LoadReport": "load_report",
    "TopicLoad": "load_report",
    "load": "loader",
    "LoadObserver": "observer",
    "StagingVerdict": "oracle",
    "TableVerdict": "oracle",
    "TopicVerdict": "oracle",
    "VerifyReport": "oracle",
    "counts": "oracle",
    "verify": "oracle",
    "RejectedMessage": "rejected",
    "RetryReport": "rejected",
    "Selection": "rejected",
    "correct": "rejected",
    "list_rejected": "rejected",
    "retry_rejected": "rejected",
    "show_rejected": "rejected",
    "RetentionReport": "retention",
    "delete_old_messages": "retention",
    "raw_tables": "topics",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
