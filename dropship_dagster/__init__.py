"""Dropship: a streaming data platform for a drop-shipping clothing shop.

The layers, from the bottom: settings, shop, endpoints, stream, warehouse, resources, assets, checks, automation,
and on top definitions (Dagster) and cli (the `dropship` command). The local services that stand
in for Kafka and Snowflake are packages of their own (packages/).
"""

__version__ = "1.1.0"
"""The version of the package, read from here by pyproject.toml, `dropship --version`, the reports and Dagster's UI."""
