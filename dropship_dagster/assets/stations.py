"""Rows at each stage of the data flow, for the report."""

from __future__ import annotations

from dropship_dagster import stream
from dropship_dagster.assets import names
from dropship_dagster.assets.reports import Stations
from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint
from dropship_dagster.settings import Settings
from dropship_dagster.shop import row_counts


def stations(settings: Settings, kafka: KafkaEndpoint, warehouse: WarehouseEndpoint) -> Stations:
    """Count seeds (by their manifest, where it fits), topics (messages the broker holds) and the warehouse's tables.

    Raises:
        StreamError, WarehouseError: a station cannot be asked.
    """
    from dropship_dagster.warehouse import counts

    offsets = stream.partitions(kafka.client_config, settings.topics)
    found: dict[str, dict[str, int]] = {
        names.SEEDS: {name.removesuffix(".csv"): rows for name, rows in row_counts(settings.data_dir).items()},
        names.TOPICS: {
            role: sum(each.high - each.low for each in offsets[name].partitions)
            for role, name in stream.topic_names(settings).items()
        },
    }
    for table, rows in counts(warehouse).items():
        schema, name = table.lower().split(".")
        found.setdefault(schema, {})[name] = rows
    return found
