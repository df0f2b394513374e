"""The platform's assets by name: groups, keys and upstream dependencies. The tables are those of `warehouse.model`.

Keys follow the warehouse: ["prod", "orders"] is <database>.PROD.ORDERS.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from dropship_dagster.settings import Settings, SettingsError
from dropship_dagster.warehouse import model

SEEDS = "seeds"
TOPICS = "topics"
RAW = "raw"
STAGING = "staging"
PROD = "prod"
REPORTS = "reports"

FRESH = dg.FreshnessPolicy.time_window(warn_window=dt.timedelta(hours=24), fail_window=dt.timedelta(hours=48))
"""The tables of the warehouse are written at least once a day, by the schedule or by live traffic."""

PERSONAL_DATA = "dropship/personal-data"
_PERSONAL = frozenset(
    {
        *(name.lower() for topic in model.TOPICS if topic.personal for name in (topic.role, topic.raw, topic.events)),
        *(table.name.lower() for table in model.PROD if table.personal),
        model.REJECTED.rpartition(".")[2].lower(),
    }
)

REPORT_KEY = dg.AssetKey([REPORTS, "validation"])


@dataclass(frozen=True)
class Table:
    """A table of the warehouse: its asset, and the assets that its rows come from."""

    schema: str
    name: str
    description: str
    upstream: tuple[dg.AssetKey, ...]

    @property
    def key(self) -> dg.AssetKey:
        """The asset's key: schema and table in lower case."""
        return dg.AssetKey([self.schema, self.name])

    @property
    def sql_name(self) -> str:
        """SCHEMA.TABLE, as the warehouse spells it."""
        return f"{self.schema}.{self.name}".upper()


def tags(name: str) -> dict[str, str]:
    """Tags of an asset, by its name without the group: whether it holds what tells who somebody is."""
    return {PERSONAL_DATA: "yes"} if name in _PERSONAL else {}


def key(name: str) -> dg.AssetKey:
    """The key of `group/name`."""
    return dg.AssetKey(name.split("/"))


def _key(sql_name: str) -> dg.AssetKey:
    return dg.AssetKey(sql_name.lower().split("."))


RAW_TABLES = tuple(
    Table(
        RAW,
        topic.raw.lower(),
        f"Messages of the {topic.title} topic, as they came. One row per message, by (topic id, partition, offset).",
        (dg.AssetKey([TOPICS, topic.role]),),
    )
    for topic in model.TOPICS
)

STAGING_TABLES = (
    *(Table(STAGING, topic.events.lower(), topic.accepted, (_key(f"RAW.{topic.raw}"),)) for topic in model.TOPICS),
    Table(
        STAGING,
        "rejected_events",
        "Messages that broke a rule, with the reason; `dropship rejected retry` sends them again. One row per message.",
        tuple(table.key for table in RAW_TABLES),
    ),
)

PROD_TABLES = tuple(
    Table(PROD, table.name.lower(), table.description, tuple(map(_key, table.sources))) for table in model.PROD
)

WAREHOUSE_TABLES = RAW_TABLES + STAGING_TABLES + PROD_TABLES


def table(asset: dg.AssetKey) -> Table:
    """The table of an asset; KeyError when it is none."""
    return {each.key: each for each in WAREHOUSE_TABLES}[asset]


def database() -> str:
    """The database's name for descriptions; settings that cannot be read fail the run later, not the code location."""
    try:
        return Settings.load().snowflake_database
    except SettingsError:
        return str(Settings.model_fields["snowflake_database"].default)


def table_specs(tables: tuple[Table, ...], owner: str) -> Iterator[dg.AssetSpec]:
    """The specs of a schema's tables."""
    prefix = database()
    for each in tables:
        yield dg.AssetSpec(
            each.key,
            deps=each.upstream,
            description=each.description,
            group_name=each.schema,
            kinds={"snowflake", "table"},
            owners=[owner],
            tags=tags(each.name),
            freshness_policy=FRESH,
            metadata={"dagster/table_name": f"{prefix}.{each.sql_name}"},
        )
