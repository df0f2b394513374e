"""Typed resources of the Dagster definitions: Kafka and the warehouse, found when a step runs and never before.

Called by assets, checks, automation and definitions.
"""

from dropship_dagster.resources.failures import user_errors
from dropship_dagster.resources.kafka import KafkaResource
from dropship_dagster.resources.preload import CHECKS, CONNECTOR, imported, meanwhile_import
from dropship_dagster.resources.warehouse import WarehouseResource

__all__ = ["CHECKS", "CONNECTOR", "KafkaResource", "WarehouseResource", "imported", "meanwhile_import", "user_errors"]
