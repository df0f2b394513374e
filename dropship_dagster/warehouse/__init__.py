"""The warehouse: deployment of sql/, the exactly-once loader, the task graph, reconciliation.

For the resources, assets, checks and commands above; knows neither Dagster nor whether a service is local.

Names are loaded when they are first used: who only connects need not wait for the loader's libraries.
"""

from typing import TYPE_CHECKING

from dropship_dagster import lazy

if TYPE_CHECKING:
    from dropship_dagster.warehouse.backlog import TopicVerdict as TopicVerdict
    from dropship_dagster.warehouse.connection import connect as connect
    from dropship_dagster.warehouse.datasets import Admission as Admission
    from dropship_dagster.warehouse.datasets import admit as admit
    from dropship_dagster.warehouse.datasets import compare as compare
    from dropship_dagster.warehouse.deployment import DeployReport as DeployReport
    from dropship_dagster.warehouse.deployment import deploy as deploy
    from dropship_dagster.warehouse.deployment import is_deployed as is_deployed
    from dropship_dagster.warehouse.deployment import prepare as prepare
    from dropship_dagster.warehouse.errors import CredentialsRefusedError as CredentialsRefusedError
    from dropship_dagster.warehouse.errors import DataLostError as DataLostError
    from dropship_dagster.warehouse.errors import DeploymentError as DeploymentError
    from dropship_dagster.warehouse.errors import KafkaUnreachableError as KafkaUnreachableError
    from dropship_dagster.warehouse.errors import LoadError as LoadError
    from dropship_dagster.warehouse.errors import NotDeployedError as NotDeployedError
    from dropship_dagster.warehouse.errors import OffsetsMovedError as OffsetsMovedError
    from dropship_dagster.warehouse.errors import RefreshError as RefreshError
    from dropship_dagster.warehouse.errors import SharedIdentifiersError as SharedIdentifiersError
    from dropship_dagster.warehouse.errors import WarehouseError as WarehouseError
    from dropship_dagster.warehouse.errors import WarehouseUnavailableError as WarehouseUnavailableError
    from dropship_dagster.warehouse.failures import LoaderFailure as LoaderFailure
    from dropship_dagster.warehouse.findings import Findings as Findings
    from dropship_dagster.warehouse.graph import GraphState as GraphState
    from dropship_dagster.warehouse.graph import RefreshReport as RefreshReport
    from dropship_dagster.warehouse.graph import TaskRun as TaskRun
    from dropship_dagster.warehouse.graph import graph_state as graph_state
    from dropship_dagster.warehouse.graph import refresh as refresh
    from dropship_dagster.warehouse.load_options import LoadOptions as LoadOptions
    from dropship_dagster.warehouse.load_report import LoadProgress as LoadProgress
    from dropship_dagster.warehouse.load_report import LoadReport as LoadReport
    from dropship_dagster.warehouse.load_report import TopicLoad as TopicLoad
    from dropship_dagster.warehouse.loader import load as load
    from dropship_dagster.warehouse.model import TABLE_OF_TASK as TABLE_OF_TASK
    from dropship_dagster.warehouse.observer import LoadObserver as LoadObserver
    from dropship_dagster.warehouse.rebuilding import RebuildReport as RebuildReport
    from dropship_dagster.warehouse.rebuilding import rebuild as rebuild
    from dropship_dagster.warehouse.reconciliation import StagingVerdict as StagingVerdict
    from dropship_dagster.warehouse.reconciliation import TableVerdict as TableVerdict
    from dropship_dagster.warehouse.reconciliation import VerifyReport as VerifyReport
    from dropship_dagster.warehouse.reconciliation import counts as counts
    from dropship_dagster.warehouse.reconciliation import verify as verify
    from dropship_dagster.warehouse.rejected import RejectedMessage as RejectedMessage
    from dropship_dagster.warehouse.rejected import RetryReport as RetryReport
    from dropship_dagster.warehouse.rejected import Selection as Selection
    from dropship_dagster.warehouse.rejected import correct as correct
    from dropship_dagster.warehouse.rejected import list_rejected as list_rejected
    from dropship_dagster.warehouse.rejected import retry_rejected as retry_rejected
    from dropship_dagster.warehouse.rejected import show_rejected as show_rejected
    from dropship_dagster.warehouse.retention import RetentionReport as RetentionReport
    from dropship_dagster.warehouse.retention import delete_old_messages as delete_old_messages
    from dropship_dagster.warehouse.setting_aside import set_aside as set_aside
    from dropship_dagster.warehouse.topics import raw_tables as raw_tables
else:
    __getattr__ = lazy.loader(
        __name__,
        {
            "backlog": ("TopicVerdict",),
            "connection": ("connect",),
            "datasets": ("Admission", "admit", "compare"),
            "deployment": ("DeployReport", "deploy", "is_deployed", "prepare"),
            "errors": (
                "CredentialsRefusedError",
                "DataLostError",
                "DeploymentError",
                "KafkaUnreachableError",
                "LoadError",
                "NotDeployedError",
                "OffsetsMovedError",
                "RefreshError",
                "SharedIdentifiersError",
                "WarehouseError",
                "WarehouseUnavailableError",
            ),
            "failures": ("LoaderFailure",),
            "findings": ("Findings",),
            "graph": ("GraphState", "RefreshReport", "TaskRun", "graph_state", "refresh"),
            "load_options": ("LoadOptions",),
            "load_report": ("LoadProgress", "LoadReport", "TopicLoad"),
            "loader": ("load",),
            "model": ("TABLE_OF_TASK",),
            "observer": ("LoadObserver",),
            "reconciliation": ("StagingVerdict", "TableVerdict", "VerifyReport", "counts", "verify"),
            "rebuilding": ("RebuildReport", "rebuild"),
            "rejected": (
                "RejectedMessage",
                "RetryReport",
                "Selection",
                "correct",
                "list_rejected",
                "retry_rejected",
                "show_rejected",
            ),
            "retention": ("RetentionReport", "delete_old_messages"),
            "setting_aside": ("set_aside",),
            "topics": ("raw_tables",),
        },
    )
